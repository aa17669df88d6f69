"""The application, built out of its parts: `gunicorn wsgi:app`, `flask --app wsgi …`."""

from operate.application import create_app

app = create_app()
