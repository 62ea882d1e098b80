import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// SYNERGOS_API names a running `synergos serve --dev-origin http://127.0.0.1:5173`.
const api = process.env.SYNERGOS_API ?? 'http://127.0.0.1:8417'

export default defineConfig({
  base: './',
  plugins: [react()],
  build: {
    target: 'safari16',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
    sourcemap: false,
  },
  server: { host: '127.0.0.1', port: 5173, proxy: { '/api': { target: api } } },
  test: {
    environment: 'jsdom',
    globals: false,
    setupFiles: ['src/test/setup.ts'],
    css: false,
    testTimeout: 20_000,
  },
})
