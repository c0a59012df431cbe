"""The picture of accuracy against cost, without Streamlit: for the app and for exports."""
