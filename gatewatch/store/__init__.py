"""The store: a lake of Parquet segments and a SQL state that says which of them count. All SQL is here.

Open it with `gatewatch.store.state.open_state`; functions are named after the question they answer.
"""
