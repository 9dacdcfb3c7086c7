"""A Streamlit app: `streamlit run examples/places/streamlit_app.py`."""

import streamlit as st

from fi_async import Evaluator


@st.cache_resource  # one client for all sessions and reruns: it knows the limits, and keeps the connections
def evaluator() -> Evaluator:
    return Evaluator.local()  # Evaluator() asks the cloud


answers = st.text_area("Answers, one a line", "Refunds take 5 working days.\nAsk your bank.")
context = st.text_input("Context", "Refunds take 5 working days.")
if st.button("Evaluate"):
    bar = st.progress(0.0)
    cases = [{"output": answer, "context": context} for answer in answers.splitlines() if answer.strip()]
    outcomes = []
    with evaluator().stream(cases, "groundedness") as run:
        for outcome in run:
            outcomes.append(outcome)
            bar.progress(len(outcomes) / len(cases))
    outcomes.sort(key=lambda outcome: outcome.index)
    st.metric("Passed", sum(outcome.passed is True for outcome in outcomes))
    st.dataframe([outcome.to_dict() for outcome in outcomes])
