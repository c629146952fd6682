/** Several spaces of one person, each as its runner opens it, over one model that remembers what it was sent. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import { type Space, newSpace, openHome, spaceOf, spacesOf, workspaceName, openWorkspace, type Home } from '../../src/runner/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { createIdMaker, type SessionId, systemClock, systemRandom, type CallId } from '../../src/base/index.ts'
import { startModel, type TestModel } from '../support/model.ts'

export interface OpenSpace {
  readonly name: string
  readonly guest: Guest
  readonly shared: string
  readonly session: SessionId
  /** Makes a call as the person. @returns all of its outcome, as a text */
  ask(call: string, input: object): Promise<string>
  /** Sends a message and waits for the end of its turn. */
  say(text: string): Promise<void>
}

export interface Spaces extends AsyncDisposable {
  readonly home: Home
  readonly model: TestModel
  readonly spaces: readonly OpenSpace[]
}

export const person = 'ada'

/** The spaces of a new home, without guests. */
export function newHome(names: readonly string[]): { readonly home: Home; readonly spaces: readonly Space[]; remove(): void } {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-spaces-'))
  const home = openHome({ OXBOW_HOME: root, OXBOW_SYSTEM_ROOT: join(root, 'none'), OXBOW_MACHINE_CONFIG: join(root, 'machine.toml') })
  openWorkspace(home, workspaceName(person, 'default'))
  for (const name of names) newSpace(home, person, { name, about: '', words: [], paths: [], created_at: 1 })
  return { home, spaces: spacesOf(home, person), remove: () => rmSync(root, { recursive: true, force: true }) }
}

const newId = createIdMaker(systemClock, systemRandom)

/** @param store of the configuration of all of them */
export async function openSpaces(names: readonly string[], replies: number, store: object = {}): Promise<Spaces> {
  const { home, spaces, remove } = newHome(names)
  const model = await startModel({
    turns: Array.from({ length: replies }, () => ({ steps: [{ events: [{ text: 'I keep that in mind.' }] }] })),
  })
  const opened: OpenSpace[] = []
  const close = async (): Promise<void> => {
    for (const { guest } of opened) await guest.close()
    await model[Symbol.asyncDispose]()
    remove()
  }
  try {
    for (const { user } of spaces) opened.push(await openSpace(home, user, { model: { ...model.config, name: 'gpt-5-mini' }, store }))
  } catch (error) {
    await close()
    throw error
  }
  return { home, model, spaces: opened, [Symbol.asyncDispose]: close }
}

async function openSpace(home: Home, user: Space['user'], config: object): Promise<OpenSpace> {
  const { root: workspaceRoot, shared } = openWorkspace(home, user)
  const guest = await startGuest({
    user,
    workspaceRoot,
    config: parseConfig(config, 'this test'),
    insecure: true,
    version: '0.0.0',
    keys: { OPENAI_API_KEY: 'sk-test' },
  })
  const { kernel } = guest
  const { id: session } = await kernel.createSession('Canaries')
  const space: OpenSpace = {
    name: spaceOf(user).space,
    guest,
    shared,
    session,
    ask: async (call, input) => JSON.stringify(await kernel.call(call, input as never, session)),
    async say(text) {
      const ended = Promise.withResolvers<void>()
      const { turn } = await kernel.sendTurn({ session, clientId: newId() as CallId, text })
      const stop = await kernel.follow(session, 0, (event) => {
        if (event.type === 'record' && (event.record.call as string) === turn && event.record.phase === 'outcome') ended.resolve()
      })
      await ended.promise
      stop()
    },
  }
  return space
}
