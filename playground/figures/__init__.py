"""Data to Plotly figures, as plain JSON for the page. No gradio."""
