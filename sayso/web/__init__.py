"""The studio's pages: ES modules, stylesheets and pictures as written, on the public API, served from the package."""
