"""What a Postgres server writes down of the sessions of our roles: nothing that holds a value.

A server's own log is read by others than the data is, and kept by other rules. By default it holds
each statement that failed, the row that broke a constraint ("Failing row contains (...)") and the
text that could not be cast. None of it is needed: the client gets all of it.

Postgres 18 manual, sections 19.8.2 and 19.8.3.
"""

SERVER_LOG = {
    # Above ERROR stand LOG, FATAL and PANIC: the server's own doings. The messages of errors and
    # warnings quote what was sent ('invalid input syntax for type date: "..."').
    "log_min_messages": "log",
    "log_error_verbosity": "terse",  # no DETAIL, which repeats rows, and no CONTEXT
    "log_min_error_statement": "panic",  # a statement may have a value in it
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_duration": "off",
    "debug_print_parse": "off",
    "debug_print_rewritten": "off",
    "debug_print_plan": "off",
    # Rows that do not fit into work_mem lie in a file below the data folder until the query ends,
    # or until the server starts again. Its name and size are told, so that it can be avoided.
    "log_temp_files": "0",
}
"""By setting: for a server as a whole, and for each role, which then holds on any server."""
