"""What the lessons of the tab *Learn* measure: functions of a model, a vocabulary or data, without a page."""
