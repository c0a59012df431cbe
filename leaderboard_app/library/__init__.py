"""Everything there is to show: folders, entries, selection, ranks, answers. No Streamlit."""
