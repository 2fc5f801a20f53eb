import { defineConfig } from 'vitest/config';
import { serveDashboards } from './server.js';

export default defineConfig({
  plugins: [serveDashboards()],
  server: { host: '127.0.0.1' },
  preview: { host: '127.0.0.1' },
  build: { target: 'es2022', chunkSizeWarningLimit: 20_000, reportCompressedSize: false },
  test: {
    include: ['test/**/*.test.ts'],
    // Grafana's packages import CommonJS in ways that Node rejects and Vite supports.
    server: { deps: { inline: [/@grafana/] } },
  },
});
