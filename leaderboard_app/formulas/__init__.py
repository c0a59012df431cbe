"""Formulas in questions and answers: found, and shown as MathML or on a line. No Streamlit."""
