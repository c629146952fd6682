/** Several spaces of one person, each as its runner opens it, over one model that remembers what it was sent. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import { type Space, newSpace, openHome, spaceOf, spacesOf, workspaceName, openWorkspace, type Home } from '../../src/runner/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { createIdMaker, type SessionId, systemClock, systemRandom, type CallId } from '../../src/base/index.ts'
import { program } from '../support/built.ts'
import { startModel, type TestModel } from '../support/model.ts'

export interface OpenSpace {
  readonly name: string
  readonly guest: Guest
  readonly shared: string
  /** In which it is spoken. */
  readonly session: SessionId
  /** Begins another one. */
  begin(): Promise<void>
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
  let { id: session } = await kernel.createSession('Canaries')
  const space: OpenSpace = {
    name: spaceOf(user).space,
    guest,
    shared,
    get session() {
      return session
    },
    async begin() {
      session = (await kernel.createSession('Canaries')).id
    },
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

interface Ran {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}

/** The program that people start, in a new home. */
export interface SpacesCli {
  readonly root: string
  readonly env: Readonly<Record<string, string | undefined>>
  oxbow(...args: readonly string[]): Ran
  /** @returns what it prints @throws where it fails */
  ran(...args: readonly string[]): string
  sharedOf(space: string): string
  write(space: string, name: string, text: string): void
  remove(): void
}

export function openCli(): SpacesCli {
  const made = newHome([])
  openWorkspace(made.home, workspaceName('default', 'default'))
  const { root } = made.home
  const env = { PATH: process.env['PATH'], HOME: root, OXBOW_HOME: root, OXBOW_SYSTEM_ROOT: join(root, 'none') }
  const oxbow: SpacesCli['oxbow'] = (...args) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { env, cwd: root, encoding: 'utf8' })
    return { exit: status, out: stdout, err: stderr }
  }
  const sharedOf = (space: string): string => join(root, 'users', space === 'default' ? 'default' : `default~${space}`, 'shared')
  return {
    root,
    env,
    oxbow,
    sharedOf,
    ran(...args) {
      const { exit, out, err } = oxbow(...args)
      assert.equal(exit, 0, `oxbow ${args.join(' ')}: ${out}${err}`)
      return out
    },
    write: (space, name, text) => writeFileSync(join(sharedOf(space), name), text),
    remove: made.remove,
  }
}
