/** A guest in this process, and programs with keys that speak MCP to it. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import type { JsonObject } from '../../src/base/index.ts'
import { envelopeFor } from '../support/guest-process.ts'
import { makeWorkspace, type TestWorkspace } from '../support/workspace.ts'

export interface Rig extends AsyncDisposable {
  readonly guest: Guest
  readonly workspace: TestWorkspace
  readonly url: URL
  /** The output of a call of the owner. */
  output(name: string, input: JsonObject): Promise<any>
  /** A key with these rights: the same one each time, since making and checking one takes 100 ms. */
  key(...rights: readonly string[]): Promise<MadeKey>
  newKey(...rights: readonly string[]): Promise<MadeKey>
  /** @param era `legacy`: the protocol of 2025, with a session @param answers what its person answers to a form; absent: it has none */
  program(key: string, options?: ProgramOptions): Promise<Client>
  /** The first event of the kind behind the cursor, for which it waits. */
  next(kind: string, cursor: number): Promise<any>
  cursor(): Promise<number>
}

interface MadeKey {
  readonly name: string
  readonly key: string
}

export interface ProgramOptions {
  readonly era?: 'legacy' | 'auto'
  readonly answers?: (message: string) => { readonly action: 'accept' | 'decline' | 'cancel'; readonly content?: Record<string, boolean> }
}

export async function openRig(config: object = {}): Promise<Rig> {
  const workspace = makeWorkspace()
  const guest = await startGuest(envelopeFor(workspace.root, config))
  const url = new URL(guest.url.replace('ws:', 'http:').replace('/ws', '/mcp'))
  const output: Rig['output'] = async (name, input) => {
    const outcome = await guest.kernel.call(name, input)
    assert.ok(outcome.status === 'ok', JSON.stringify(outcome))
    return outcome.output
  }
  const programs: Client[] = []
  const keys = new Map<string, Promise<MadeKey>>()
  const newKey: Rig['newKey'] = async (...rights) => {
    const name = `k${randomUUID().slice(0, 8)}`
    return { name, key: (await output('key.create', { name, rights: [...rights] })).key }
  }
  return {
    guest,
    workspace,
    url,
    output,
    async key(...rights) {
      const made = keys.get(rights.join()) ?? newKey(...rights)
      keys.set(rights.join(), made)
      return made
    },
    newKey,
    async program(key, { era = 'legacy', answers } = {}) {
      const capabilities = answers === undefined ? {} : { elicitation: { form: {} } }
      const client = new Client({ name: 'a program', version: '1' }, { capabilities, versionNegotiation: { mode: era } })
      if (answers !== undefined) client.setRequestHandler('elicitation/create', ({ params }) => answers(params.message) as never)
      await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: { authorization: `Bearer ${key}` } } }))
      programs.push(client)
      return client
    },
    async next(kind, cursor) {
      const { events } = await output('events.next', { kinds: [kind], after: cursor, wait_s: 10 })
      assert.ok(events.length > 0, `no ${kind}`)
      return events[0]
    },
    cursor: async () => (await output('events.next', { wait_s: 0 })).cursor,
    async [Symbol.asyncDispose]() {
      await Promise.all(programs.map((program) => program.close().catch(() => {})))
      await guest.close()
      workspace[Symbol.dispose]()
    },
  }
}

/** The text of a result. */
export function textOf(result: unknown): string {
  const { content } = result as { readonly content: readonly { readonly type: string; readonly text?: string }[] }
  return content.map(({ text = '' }) => text).join('\n')
}

export function metaOf(result: unknown): Record<string, string> {
  const { _meta: meta = {} } = result as { readonly _meta?: Record<string, string> }
  return meta
}
