import { defineConfig } from 'vite';
import { serveDashboards } from './server.js';

export default defineConfig({
  plugins: [serveDashboards()],
  server: { host: '127.0.0.1' },
  preview: { host: '127.0.0.1' },
  build: { target: 'es2022', chunkSizeWarningLimit: 10_000, reportCompressedSize: false },
});
