import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** Where `npm run dev` of the service listens; what the page asks for goes there. */
const service = 'http://localhost:8000'

export default defineConfig({
  // Addresses are relative to <base>, which the service writes into the page: so one build serves under any path.
  base: './',
  plugins: [react(), tailwindcss()],
  build: {
    outDir: '../dist/ui',
    emptyOutDir: true,
    target: 'es2022',
    // Chunks with names that say what they are; hashes make them immutable.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 250,
    reportCompressedSize: false,
  },
  server: {
    port: 5173,
    proxy: { '^/(?!ui/)': service, '^/ui/(config.json|session)': service },
  },
})
