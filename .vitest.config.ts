import { defineConfig } from 'vitest/config';

// CI counts what has passed: it names a file for the report as JSON.
const report = process.env['VITEST_REPORT'] ?? '';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: 'forks',
    reporters: report === '' ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
