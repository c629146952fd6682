/**
 * A kernel in this process with a workspace on disk or in memory, and a model that does what its script says and fills in what it has read. Calls
 * that leave the machine are the real descriptions with a `run` that writes down what arrived.
 */
import { chmod, mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describedCalls } from '../../src/guest/offline.ts'
import { asks, type Fixture, newCallId, openFixture, says, user } from '../../src/kernel/kernel-fixture.ts'
import { createMemory } from '../../src/memory/index.ts'
import { readSkillFiles, readSkills } from '../../src/runner/skill-files.ts'
import { openShownSkills } from '../../src/sandbox/index.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { createSkills } from '../../src/skills/index.ts'
import { builtinCalls, memoryCalls } from '../../src/tools/index.ts'
import { type SessionId, systemClock } from '../../src/base/index.ts'
import type { Call, GenerateRequest, Sandbox } from '../../src/protocol/index.ts'
import { configSchema, parseConfig } from '../../src/services/index.ts'
import { type Ground, inMemory, onDisk } from './grounds.ts'
import { definedBy, deskTools, type Page, sinkCalls, withOutside } from './outside-calls.ts'
import type { Step } from './place.ts'

export interface FlowWorld extends AsyncDisposable {
  /** The calls that leave the machine. */
  readonly sinks: readonly Call[]
  /** All calls that a model may make, including the product's calls that this world does not offer. */
  readonly offered: readonly string[]
  /** What arrived outside, in order. */
  readonly arrived: readonly string[]
  /** A message in a new session; resolves when its turn has ended. */
  session(steps: readonly Step[]): Promise<SessionId>
  /** Steps for a session that another one begins with this mark. */
  plan(mark: string, steps: readonly Step[]): void
  /** Resolves when that session has done them, or does not begin. */
  begun(mark: string): Promise<void>
  labels(session: SessionId): Promise<string>
  lay(path: string, text: string): void
  /** The next page that a session looks at saves this. */
  show(page: Page): void
  /** Removes what the last path has left. */
  clean(): Promise<void>
}

/** Rights to everything that the suite tries, so that rights protect from nothing. */
const rights = [
  'agent.spawn', 'agent.use', 'attachment.save', 'browser.use', 'data.extract', 'events.publish', 'events.read', 'exec.run', 'file.read', 'file.write',
  'mcp.desk', 'media.send', 'memory.read', 'memory.write', 'schedule.read', 'schedule.write', 'scratchpad.use', 'shell.network', 'shell.run', 'skill.use',
  'state.read', 'state.write', 'system.read', 'vault.copy', 'vault.list', 'version.read', 'version.write', 'web.read', 'a2a.translator', 'acp.helper',
] // prettier-ignore

/** @param isOpen nothing is held back: what a path cannot carry then, its recipes cannot carry at all */
export async function openFlowWorld(isOpen: boolean, where: 'disk' | 'memory' = 'disk'): Promise<FlowWorld> {
  await using made = new AsyncDisposableStack()
  const ground = made.use(where === 'disk' ? await onDisk() : inMemory())
  const arrived: string[] = []
  const described = await describedCalls(parseConfig({}, 'the defaults'))
  const sinks = sinkCalls(described, ground, arrived)
  const scripts = createScripts()
  const names = new Set(sinks.map(({ name }) => name))
  const page: Page = { path: '/tmp/downloads/page.txt', text: '' }
  const store = await openMemoryStore({ user })
  const fixture: Fixture = await openFixture({
    store,
    sandbox: withOutside(ground.sandbox, ground, page),
    host: definedBy(rights),
    ...(ground.root !== null && { versionsFolder: join(ground.root, 'internal', 'versions') }),
    calls: [
      ...builtinCalls({ files: true, shell: true, profiles: ['work', 'browser', 'vault-read'] }).filter(({ name }) => !names.has(name)),
      ...sinks,
      ...deskTools(ground),
    ],
    memory: {
      make: (host) => createMemory({ store, config: memoryConfig, clock: systemClock, host }),
      calls: (memory) => memoryCalls(memory),
    },
    ...(ground.root !== null && { servers: await skillsOf(ground.root, ground.sandbox, made) }),
    config: {
      agent: { rights },
      approval: { mode: 'auto' },
      exec: { allow: ['cp', 'cat', 'tee'] },
      memory: { embedder: 'none' },
      agents: { max_live: 1_000, max_starts_per_minute: 10_000, max_per_turn: 100 },
      schedules: { max_schedules: 1_000 },
      flow: {
        // A person says yes to everything but what private data is about.
        ...(isOpen ? { both: 'allow' } : { both: 'deny' }),
        irreversible: 'allow',
        new_host: 'allow',
        source: isOpen
          ? []
          : [...['/shared/finance/**', '/tmp/finance/**'].map((path) => ({ path })), { call: 'browser.snapshot' }].map((of) => ({
              ...of,
              labels: ['private'],
            })),
      },
    },
    play: scripts.play,
  })
  made.use(fixture)
  const files = filesOf(ground, fixture)
  await files.clean()
  const offered = [
    ...new Set([...(await offeredIn(fixture)), ...described.flatMap(({ name, audience }) => (audience.includes('model') ? [name] : []))]),
  ]
  const show = (next: Page): void => void Object.assign(page, next)
  const world = { sinks, arrived, offered, show, ...turnsOf(fixture, scripts), ...files }
  const kept = made.move()
  return { ...world, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

const memoryConfig = configSchema.parse({ memory: { embedder: 'none' } }).memory

async function offeredIn({ kernel }: Fixture): Promise<readonly string[]> {
  const outcome = await kernel.call('system.calls', {})
  if (outcome.status !== 'ok') throw new Error(outcome.text)
  const calls = outcome.output as readonly { name: string; audience: readonly string[] }[]
  return calls.flatMap(({ name, audience }) => (audience.includes('model') ? [name] : []))
}

/** What the model does next, by the mark that the first message of its session begins with. */
function createScripts() {
  interface Script {
    readonly left: Step[]
    readonly begun: PromiseWithResolvers<void>
    readonly ended: PromiseWithResolvers<void>
  }
  const scripts = new Map<string, Script>()
  const play = (request: GenerateRequest) => {
    const textOf = ({ parts }: GenerateRequest['messages'][number]): string =>
      parts.map((part) => ('text' in part ? part.text : '')).join('\n')
    const all = request.messages.map(textOf).join('\n')
    const asked = textOf(request.messages.findLast(({ role }) => role === 'user')!)
    if (request.system.startsWith('You read one text')) return says(JSON.stringify({ it: /mari-\w+-gold/.exec(all)?.[0] ?? '' }))
    // What the guest asks a model for itself: a title.
    if ((request.tools ?? []).length === 0) return says('A title')
    const [, verb, tool = '', input] = /\[\[(do|say) (\w+) (\{.*?\})\]\]/.exec(asked) ?? []
    const mark = /\[\[go \w+\]\]/.exec(asked)?.[0] ?? ''
    if (verb !== undefined && mark === '') {
      if (request.messages.at(-1)?.role !== 'tool') return asks([tool, input])
      // The newest: memory may tell of an earlier path before.
      return says((verb === 'say' && all.match(/mari-\w+-gold/g)?.at(-1)) || 'done')
    }
    const script = scripts.get(mark)
    if (script === undefined) return says('nothing to do')
    script.begun.resolve()
    const step = script.left.shift()
    if (step === undefined) {
      script.ended.resolve()
      return says('done')
    }
    const { tool: name, input: args } = step
    return asks([typeof name === 'function' ? name(all) : name, typeof args === 'function' ? args(all) : args])
  }
  return {
    play,
    add: (mark: string, steps: readonly Step[]): void =>
      void scripts.set(mark, { left: [...steps], begun: Promise.withResolvers(), ended: Promise.withResolvers() }),
    of: (mark: string): Script | undefined => scripts.get(mark),
  }
}

function turnsOf(fixture: Fixture, scripts: ReturnType<typeof createScripts>): Pick<FlowWorld, 'session' | 'plan' | 'begun' | 'labels'> {
  let turns = 0
  return {
    labels: async (session) => (await fixture.store.session(session))?.labels ?? '',
    plan: scripts.add,
    async begun(mark) {
      const script = scripts.of(mark)
      const over = new AbortController()
      const within = (promise: Promise<void> | undefined, ms: number): Promise<unknown> =>
        Promise.race([promise, delay(ms, null, over).catch(() => null)])
      if ((await within(script?.begun.promise, longestStartMs)) !== null) await within(script?.ended.promise, longestSessionMs)
      over.abort()
    },
    async session(steps) {
      const mark = `[[go t${++turns}]]`
      scripts.add(mark, steps)
      const { id } = await fixture.kernel.createSession('')
      const over = Promise.withResolvers<void>()
      const clientId = newCallId()
      const stop = await fixture.kernel.follow(id, 0, (event) => {
        if (event.type === 'record' && event.record.call === clientId && event.record.phase === 'outcome') over.resolve()
      })
      await fixture.kernel.sendTurn({ session: id, clientId, text: mark })
      await over.promise
      stop()
      return id
    },
  }
}

/** A session that has not begun by then, after the one before it has ended, never will: the call was refused. */
const longestStartMs = 10_000
/** Of a session that does not get to its end, a minute at most. */
const longestSessionMs = 60_000

function filesOf(ground: Ground, { kernel }: Fixture): Pick<FlowWorld, 'lay' | 'clean'> {
  const ask = async <Output>(name: string, input: object): Promise<Output | null> => {
    const outcome = await kernel.call(name, input as never)
    return outcome.status === 'ok' ? (outcome.output as Output) : null
  }
  return {
    lay: ground.write,
    async clean() {
      for (const path of ground.top()) {
        // Through the gate, so that no label of what is gone stays and hides what a later path loses.
        await ask('file.delete', { path, recursive: true })
        ground.remove(path)
      }
      ground.write('/shared/orders.txt', 'Do what the message says.')
      const found = ground.root === null ? null : await ask<{ branches: readonly { name: string }[] }>('branch.list', {})
      for (const { name } of found?.branches ?? []) await ask('branch.drop', { branch: name })
    },
  }
}

async function makeHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'oxbow-home-'))
  const scripts = join(home, 'skills/copier/scripts')
  await mkdir(scripts, { recursive: true })
  await writeFile(join(home, 'skills/copier/SKILL.md'), '---\nname: copier\ndescription: Copies files.\n---\nRun a script.\n')
  await writeFile(join(scripts, 'copy.sh'), 'cp "$1" "$2"\n')
  await writeFile(join(scripts, 'show.sh'), 'cat "$1"\n')
  for (const name of ['copy.sh', 'show.sh']) await chmod(join(scripts, name), 0o755)
  return home
}

async function skillsOf(
  root: string,
  sandbox: Sandbox,
  made: AsyncDisposableStack,
): Promise<NonNullable<NonNullable<Parameters<typeof openFixture>[0]>['servers']>> {
  const home = await makeHome()
  made.defer(() => rm(home, { recursive: true }))
  const host = {
    skills: async () => readSkills([home]),
    skillFiles: async (skill: Parameters<typeof readSkillFiles>[1]) => readSkillFiles([home], skill),
  }
  const { show } = await openShownSkills(join(root, 'internal'))
  return async ({ documents }) => {
    const parts = { documents, host, sandbox, mounts: () => [], agent: 'ox', show, nowMs: systemClock.monotonicMs }
    const skills = createSkills({ ...parts, countTokens: async (texts) => texts.map((text) => Math.ceil(text.length / 4)) })
    return { calls: skills.calls, section: skills.section, tools: () => [], close: async () => {} }
  }
}
