"""The Grafana dashboards: what they are made of (model, fleet, panels), and how Grafana reads them
(grafana, drawing), for tests and for the pictures of docs/operations/dashboards.md."""
