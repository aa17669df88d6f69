"""A Flask application that does nothing: what machine, gunicorn and Flask cost by themselves."""

from flask import Flask, Response

app = Flask("null")


@app.post("/null")
def null() -> Response:
    return Response(b"ok", 202)
