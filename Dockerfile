# Server mode only: the image carries no PostgreSQL, DATABASE_URL must name one.

# The sources become dist/.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
COPY ui ./ui
RUN npm run build

# What it runs on, and nothing that only development needs.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24-slim
LABEL org.opencontainers.image.title="Webhook Delivery Service" \
      org.opencontainers.image.description="Accepts events over HTTP, makes them durable, delivers them signed, retries and shows every attempt" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /app
# Holds the encryption key when ENCRYPTION_KEYS is not set. A new named volume takes over the owner; a folder of the host
# must belong to the account node (uid 1000).
RUN mkdir /data && chown node:node /data
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY bin ./bin
COPY migrations ./migrations
COPY openapi.json ./
COPY --from=build /app/dist ./dist
ENV PORT=8000 DATA_DIR=/data
USER node
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "bin/webhooks.js", "healthcheck"]
ENTRYPOINT ["node", "bin/webhooks.js"]
CMD ["serve"]
