/**
 * The OpenAPI 3.1 document, made from the table of endpoints.
 */
import { z } from 'zod';
import type { Endpoint } from './endpoint.js';
import { STATUS_TEXT } from './problem.js';

type Json = Readonly<Record<string, unknown>>;

const PROBLEM: Json = {
  description: 'Problem details (RFC 9457)',
  content: {
    'application/problem+json': {
      schema: {
        type: 'object',
        required: ['type', 'title', 'status', 'detail'],
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          status: { type: 'integer' },
          detail: { type: 'string' },
          errors: {
            type: 'array',
            items: { type: 'object', properties: { at: { type: 'string' }, detail: { type: 'string' } } },
          },
        },
      },
    },
  },
};

/** The document. */
export function openApi(endpoints: readonly Endpoint[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const row of endpoints) {
    paths[row.path] ??= {};
    paths[row.path]![row.method.toLowerCase()] = operation(row);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Sluice', version, summary: 'What operators see of the engine and ask of it.' },
    security: [{ token: [] }],
    paths,
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  };
}

function operation(row: Endpoint): Json {
  const status = row.status ?? 200;
  const body = row.body === undefined ? undefined : schemaOf(row.body, 'input');
  const content =
    row.answer === undefined ? {} : { content: { 'application/json': { schema: schemaOf(row.answer, 'output') } } };
  return {
    summary: row.summary,
    ...(row.open === true ? { security: [] } : {}),
    parameters: [...pathParameters(row.path), ...queryParameters(row)],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: { [status]: { description: STATUS_TEXT[status], ...content }, default: PROBLEM },
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(row: Endpoint): Json[] {
  if (row.query === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(row.query, 'input') as {
    properties?: Json;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

function schemaOf(type: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(type, { io, unrepresentable: 'any' });
  return schema;
}
