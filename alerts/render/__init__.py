"""Where text that an attacker may have written meets a place that could obey it: one module, one function a sink.

text        plain         one line without control or bidi characters; all the others begin with it
redact      redacted      credential-looking values taken out
unlinked    unlinked      no part that a mail program would turn into a link
link        safe_link     an address that may stand in a link, else ''
html        html_text     text or attribute of HTML
slack       mrkdwn, plain_text   text of a Slack message
card        card_text     text of an Adaptive Card
mail        mail_header   value of a mail header
log         log_text      part of a log line; hidden characters become visible
            visible       part of a terminal's line, the same without a bound
json        json_text     JSON for people's eyes, in printable ASCII
csv         csv_cell      cell of a spreadsheet
plotly      plotly_text   label, tick or hover text of a chart
"""
