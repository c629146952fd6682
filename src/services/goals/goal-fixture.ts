/** A kernel over a real sandbox with versions, and a model that a function plays by who asks it, for tests of goals. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeWorkbench } from '../../sandbox/sandbox-fixture.ts'
import type { CallId, Json, JsonObject } from '../../base/index.ts'
import { type GenerateRequest, textOf } from '../../protocol/index.ts'
import { asks, type Fixture, type FixtureOptions, openFixture, says } from '../../kernel/kernel-fixture.ts'
import { builtinCalls } from '../../tools/index.ts'
import type { GoalView } from './goal-view.ts'

/** What a model says by role; each may look at what it is asked. */
export interface Roles {
  readonly interview?: (text: string) => Json | string
  readonly seed?: (text: string) => Json | string
  readonly evolve?: (text: string) => Json | string
  /** The tool calls of one part of the work. */
  readonly work?: (goal: string) => readonly (readonly [name: string, args: JsonObject])[]
  readonly review?: (goal: string) => Json | string
  readonly judge?: (goal: string, at: number) => Json | string
}

export const clear: JsonObject = { kind: 'task', reply: '', scores: { goal: 1, constraints: 1, success: 1 }, questions: [] }
export const verdict = (passed: boolean, score: number, ...notes: string[]): JsonObject => ({ passed, score, notes })
export const command = (text: string, run: string, more: JsonObject = {}): JsonObject => ({
  text,
  check: { kind: 'command', command: run, runs: 1, timeout_s: 20, ...more },
})
export const seedWith = (criteria: readonly Json[], more: JsonObject = {}): JsonObject => ({ goal: 'It is done.', criteria, ...more })

/** @returns a model that plays these roles, with what it was asked */
export function playing(roles: Roles): { readonly play: NonNullable<FixtureOptions['play']>; readonly asked: string[] } {
  const asked: string[] = []
  const texts = (said: Json | string): string => (typeof said === 'string' ? said : JSON.stringify(said))
  let judges = 0
  const play = (request: GenerateRequest) => {
    const { messages, system } = request
    const said = textOf(messages.find(({ role }) => role === 'user')!)
    const role = /You are goal-(\w+)/.exec(system)?.[1] ?? /^(Interview|Seed|Evolve)/.exec(said)?.[1] ?? 'other'
    asked.push(role.toLowerCase())
    switch (role.toLowerCase()) {
      case 'interview':
        return says(texts(roles.interview?.(said) ?? clear))
      case 'seed':
        return says(texts(roles.seed?.(said) ?? 'no seed'))
      case 'evolve':
        return says(texts(roles.evolve?.(said) ?? 'nothing better'))
      case 'worker': {
        const calls = messages.some((message) => message.role === 'tool') ? [] : (roles.work?.(said) ?? [])
        return calls.length > 0 ? asks(...calls) : says('I have done my part.')
      }
      case 'reviewer':
        return says(texts(roles.review?.(said) ?? verdict(true, 0.9)))
      case 'judge':
        return says(texts(roles.judge?.(said, judges++) ?? verdict(true, 0.9)))
      default:
        return says('hello')
    }
  }
  return { play, asked }
}

export interface GoalPlace extends AsyncDisposable {
  readonly guest: Fixture
  readonly root: string
  readonly asked: readonly string[]
  write(name: string, text: string): void
  /** @returns what the workspace has; null: no such file */
  read(name: string): string | null
  ok<Output = JsonObject>(name: string, input: Json, id?: CallId): Promise<Output>
  start(request: string, more?: JsonObject): Promise<GoalView>
  /** Waits until it fits. */
  until(goal: string, fits: (view: GoalView) => boolean): Promise<GoalView>
  ended(goal: string): Promise<GoalView>
}

export const allowing: JsonObject = { approval: { mode: 'auto' } }

export async function openGoals(roles: Roles, options: FixtureOptions = {}): Promise<GoalPlace> {
  const stack = new AsyncDisposableStack()
  const bench = stack.use(await makeWorkbench())
  chmodSync(bench.root, 0o755)
  const { play, asked } = playing(roles)
  const guest = stack.use(
    await openFixture({
      sandbox: bench.sandbox,
      versionsFolder: join(bench.root, 'internal', 'versions'),
      play,
      config: allowing,
      calls: builtinCalls({ files: true, shell: true }),
      ...options,
    }),
  )
  const ok: GoalPlace['ok'] = async <Output>(name: string, input: Json, id?: CallId): Promise<Output> => {
    const outcome = await guest.kernel.call(name, input, undefined, id)
    assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
    return (outcome as unknown as { output: Output }).output
  }
  const at = (name: string): string => join(bench.root, 'shared', name)
  const until: GoalPlace['until'] = async (goal, fits) => {
    for (let left = 3_000; left > 0; left--) {
      const view = await ok<GoalView>('goal.show', { goal, wait_s: 0 })
      if (fits(view)) return view
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`the goal never gets there: ${JSON.stringify(await ok('goal.show', { goal }))}`)
  }
  return {
    guest,
    root: bench.root,
    asked,
    ok,
    until,
    write(name, text) {
      mkdirSync(dirname(at(name)), { recursive: true })
      writeFileSync(at(name), text)
      chmodSync(at(name), 0o666)
    },
    read: (name) => (existsSync(at(name)) ? readFileSync(at(name), 'utf8') : null),
    start: (request, more = {}) => ok<GoalView>('goal.start', { request, ...more }),
    ended: (goal) => until(goal, ({ end }) => end !== null),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
