/** A host over plain streams, which a test plays. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { isOxbowError } from '../../base/index.ts'
import {
  type CallOutcome,
  createMessageReader,
  encodeMessage,
  type PluginActionResult,
  type PluginRequest,
  type ServerProcess,
} from '../../protocol/index.ts'
import { done } from './host-fixture.ts'
import { type HostLink, linkHost } from './host-link.ts'

export interface Pipe extends AsyncDisposable {
  readonly link: HostLink
  /** Sends a message as the host. */
  say(id: number, message: unknown): void
  write(bytes: Buffer): void
  /** Messages of the guest so far. */
  readonly heard: { readonly id: number; readonly message: any }[]
  exit(): void
}

export function pipe(checkMs?: number): Pipe {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const exited = Promise.withResolvers<void>()
  const exit = (): void => {
    output.end()
    exited.resolve()
  }
  const server: ServerProcess = { input, output, errors, exited: exited.promise, kill: async () => exit() }
  const heard: Pipe['heard'] = []
  const read = createMessageReader(
    { messageBytes: 1e8, pendingBytes: 1e8 },
    {
      message: (id, text) => void heard.push({ id, message: JSON.parse(text) as unknown }),
      cancel: (id) => void heard.push({ id, message: 'cancel' }),
    },
  )
  input.on('data', (bytes: Buffer) => void read(bytes))
  const link = linkHost('plug', server, checkMs)
  const write = (bytes: Buffer): void => void output.write(bytes)
  return {
    link,
    heard,
    exit,
    write,
    say: (id, message) => [...encodeMessage(id, typeof message === 'string' ? message : JSON.stringify(message))].forEach(write),
    [Symbol.asyncDispose]: () => link.end(''),
  }
}

export const within = (call?: (name: string) => Promise<CallOutcome>): PluginRequest => ({
  signal: new AbortController().signal,
  timeoutMs: Infinity,
  call,
})
export const ran = { ok: { ok: true, text: 'done', data: {}, values: {} } }
export const ask = ({ link }: Pipe, request: PluginRequest = within()): Promise<PluginActionResult> =>
  link.ask('action', { name: 'a', input: {}, message: null, state: {} }, request)
export const callOf = (request: number): object => ({ op: 'call', input: { for: request, name: 'file.read', input: {} } })

/** Whatever a host sends, its request settles with a result or an error of ours. */
export async function fuzzLink(numRuns: number): Promise<void> {
  const message = fc.oneof(
    fc.json(),
    fc.record({ ok: fc.dictionary(fc.string(), fc.jsonValue()) }).map((value) => JSON.stringify(value)),
    fc
      .record({ op: fc.constant('call'), input: fc.record({ for: fc.integer(), name: fc.string(), input: fc.constant({}) }) })
      .map((value) => JSON.stringify(value)),
    fc.constant(JSON.stringify(ran)),
  )
  const sent = fc.oneof(
    fc
      .record({ id: fc.oneof(fc.nat(9), fc.nat(0xffffffff)), message })
      .map(({ id, message: text }) => Buffer.concat([...encodeMessage(id, text)])),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(sent, { maxLength: 6 }), async (all) => {
      const host = pipe()
      const asked = ask(
        host,
        within(async () => done('x')),
      ).then(
        () => 'ok',
        (error: unknown) => (isOxbowError(error) ? 'error' : 'bug'),
      )
      for (const bytes of all) host.write(bytes)
      host.exit()
      assert.notEqual(await asked, 'bug')
      await host.link.ended
    }),
    { numRuns },
  )
}
