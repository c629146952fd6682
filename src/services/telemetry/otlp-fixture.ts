/** The official definitions of OTLP, and a collector that decodes by them. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { isObject } from '../../base/index.ts'

interface MessageType {
  fromObject(value: object): object
  verify(value: object): string | null
  encode(value: object): { finish(): Uint8Array }
  decode(bytes: Uint8Array): object
  toObject(value: object, options: object): object
}

const require = createRequire(import.meta.url)
const { opentelemetry } = require('@opentelemetry/otlp-transformer/build/src/generated/root.js') as {
  readonly opentelemetry: {
    readonly proto: { readonly collector: Readonly<Record<'trace' | 'metrics', { readonly v1: Readonly<Record<string, MessageType>> }>> }
  }
}

export interface WireSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  readonly kind: number
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: readonly string[]
  readonly error: string | null
}

/** Ids are hexadecimal in OTLP's JSON, and base64 in any other JSON of protobuf. */
function withBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withBytes)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) =>
      ['traceId', 'spanId', 'parentSpanId'].includes(name)
        ? [name, Buffer.from(each as string, 'hex').toString('base64')]
        : [name, withBytes(each)],
    ),
  )
}

/** @returns the request as the official types have it after a way over the wire. @throws AssertionError for a field or value that they do not have */
export function decoded(signal: 'trace' | 'metrics', json: string): object {
  const name = signal === 'trace' ? 'ExportTraceServiceRequest' : 'ExportMetricsServiceRequest'
  const type = opentelemetry.proto.collector[signal].v1[name]!
  const value = JSON.parse(json) as object
  const message = type.fromObject(withBytes(value) as object)
  assert.equal(type.verify(message), null)
  const back = type.toObject(type.decode(type.encode(message).finish()), { longs: String, bytes: String })
  assertCovers(withBytes(value), back, signal)
  return back
}

/** Whatever was sent was understood: a field with a name of no definition would be gone. */
function assertCovers(sent: unknown, understood: unknown, path: string): void {
  if (Array.isArray(sent)) {
    assert.ok(Array.isArray(understood) && understood.length === sent.length, path)
    sent.forEach((each, at) => assertCovers(each, (understood as unknown[])[at], `${path}[${at}]`))
  } else if (isObject(sent)) {
    for (const [name, each] of Object.entries(sent)) {
      // A zero is what a message has without the field.
      if (each === 0 || each === '0' || (Array.isArray(each) && each.length === 0)) continue
      assert.ok(isObject(understood) && Object.hasOwn(understood, name), `${path}.${name} is not in the official definition`)
      assertCovers(each, (understood as Record<string, unknown>)[name], `${path}.${name}`)
    }
  } else assert.equal(String(understood), String(sent), path)
}

export function spansIn(json: string): readonly WireSpan[] {
  const { resourceSpans } = decoded('trace', json) as {
    resourceSpans: readonly { scopeSpans: readonly { spans: readonly Record<string, unknown>[] }[] }[]
  }
  const hex = (value: unknown): string => Buffer.from((value ?? '') as string, 'base64').toString('hex')
  return resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
    .map((span) => ({
      traceId: hex(span['traceId']),
      spanId: hex(span['spanId']),
      parentSpanId: hex(span['parentSpanId']),
      name: String(span['name']),
      kind: Number(span['kind']),
      start: BigInt(String(span['startTimeUnixNano'])),
      end: BigInt(String(span['endTimeUnixNano'])),
      attributes: attributesIn(span['attributes']),
      events: ((span['events'] ?? []) as readonly { name: string }[]).map(({ name }) => name),
      error:
        (span['status'] as { code?: number; message?: string }).code === 2
          ? ((span['status'] as { message?: string }).message ?? '')
          : null,
    }))
}

function attributesIn(list: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    ((list ?? []) as readonly { key: string; value: Record<string, unknown> }[]).map(({ key, value }) => [key, Object.values(value)[0]]),
  )
}

interface Got {
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface TestCollector extends AsyncDisposable {
  readonly url: string
  readonly got: readonly Got[]
  /** How the next requests are answered, in order; then 200. Null: never. */
  readonly answers: ({ readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string } | null)[]
  spans(): readonly WireSpan[]
}

export async function startCollector(): Promise<TestCollector> {
  const got: Got[] = []
  const answers: TestCollector['answers'] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const bytes = Buffer.concat(pieces)
      const body = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString()
      got.push({ path: request.url ?? '', headers: request.headers, body })
      const answer = answers.length === 0 ? { status: 200, body: '{"partialSuccess":{}}' } : answers.shift()!
      if (answer !== null) response.writeHead(answer.status, answer.headers ?? {}).end(answer.body ?? '')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    got,
    answers,
    spans: () => got.filter(({ path }) => path.endsWith('/v1/traces')).flatMap(({ body }) => spansIn(body)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
