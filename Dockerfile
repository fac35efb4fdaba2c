# Serves one finished model, without torch: docs/serving.md
FROM python:3.13-slim
WORKDIR /app
ENV PYTHONDONTWRITEBYTECODE=1
COPY pyproject.toml requirements.lock ./
RUN pip install --no-cache-dir --group serve --constraint requirements.lock
COPY stages stages
COPY scripts scripts
USER nobody
EXPOSE 8000
HEALTHCHECK --start-period=20s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=5)"]
ENTRYPOINT ["python", "-m", "scripts.serve", "--host", "0.0.0.0", "--allow-host", "localhost"]
CMD ["/model/model.safetensors"]
