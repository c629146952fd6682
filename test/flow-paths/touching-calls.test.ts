/**
 * Every call whose description says that it touches files or starts a program: what it takes out of a private file has the label there, in
 * another file or in the session. The calls come from the registry, so that a new one without a recipe is missed at once.
 */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { parseConfig } from '../../src/services/index.ts'
import { describedCalls } from '../../src/guest/offline.ts'
import { parseSource } from '../architecture/source-parse.ts'
import { isLongSeries } from '../support/scale.ts'
import { openFlowWorld } from './flow-world.ts'
import { talkSinks } from './paths.ts'
import { call, type Recipe, type Route } from './place.ts'
import { carriesNothing } from './reasons.ts'
import { recipes } from './recipes.ts'

const repository = resolve(import.meta.dirname, '../..')

/** Calls that no model is offered, each with the test that holds its labels, or why it carries nothing. */
const notOffered: Readonly<Record<string, string>> = {
  'file.upload': 'It writes what a person sends; what a person has is no secret to them.',
  'coder.run': 'It runs within the task of a coder, whose call sees the whole workspace.',
}

/** Files that describe others' calls, which are not in the registry, each with the recipe or the test that holds their labels. */
const ofOthers: Readonly<Record<string, string>> = {
  'src/connect/mcp/tool-call.ts': 'mcp.desk.copy',
  'src/connect/acp/task-call.ts': 'acp.helper',
  'src/plugins/parts/action-call.ts': 'test/plugins/parts.test.ts',
  'src/plugins/parts/part-request.ts': 'test/plugins/parts.test.ts',
}

/** What several calls of the registry share. */
const shared: ReadonlySet<string> = new Set([
  'src/tools/shell/session-arguments.ts',
  'src/tools/workspace-arguments.ts',
  'src/services/versions/branches/branch-calls.ts',
])

const tried: ReadonlySet<string> = new Set([...recipes.flatMap(({ calls }) => calls), ...Object.keys(talkSinks)])

async function touching(): Promise<readonly string[]> {
  const calls = await describedCalls(parseConfig({}, 'the defaults'))
  return calls.filter(({ files, starts }) => files !== undefined || starts !== undefined).map(({ name }) => name)
}

/** What carries something of a private file by such a call alone. */
async function carriers(): Promise<readonly Recipe[]> {
  const names = new Set(await touching())
  const found = recipes.filter(({ calls, from, to, begins }) => {
    const isWhole = from === 'file' && (to === 'file' || to === 'talk') && begins === undefined
    return isWhole && calls.some((name) => names.has(name) || /^(?:mcp|graph|agent)\./.test(name))
  })
  // One for each set of calls where the time is short.
  const first = new Map(found.toReversed().map((recipe) => [recipe.calls.join(), recipe]))
  return isLongSeries ? found : [...first.values()]
}

describe('a call that touches files or starts a program', () => {
  it('has a recipe, or a reason why it carries nothing', async () => {
    const names = await touching()
    assert.ok(names.length > 25, names.join())
    const left = names.filter((name) => !tried.has(name) && carriesNothing[name] === undefined && notOffered[name] === undefined)
    assert.deepEqual(left, [], 'give it a recipe in recipes.ts, or say why it carries nothing')
    const gone = Object.keys(notOffered).filter((name) => !names.includes(name))
    assert.deepEqual(gone, [], 'it is no such call any more')
  })

  it('has one, too, where it is made of what others offer', async () => {
    const inRegistry = new Set(await touching())
    const left = globSync('src/**/*.ts', { cwd: repository }).filter((path) => {
      if (/\.test\.ts$|-fixture\.ts$/.test(path) || path === 'src/protocol/call.ts' || shared.has(path) || ofOthers[path] !== undefined)
        return false
      const text = readFileSync(join(repository, path), 'utf8')
      if (!/\bfiles: '(?:writes|past|workspace)'/.test(text)) return false
      return !parseSource(path, text).dottedNames.some(({ text: name }) => inRegistry.has(name))
    })
    assert.deepEqual(left, [], 'name the recipe or the test that holds its labels')
    for (const [maker, by] of [...Object.entries(ofOthers), ...Object.entries(notOffered)]) {
      const holds = by.includes('/')
        ? existsSync(join(repository, by)) && /private/.test(readFileSync(join(repository, by), 'utf8'))
        : tried.has(by) || by.endsWith('.')
      assert.ok(holds, `${maker}: ${by} holds no labels`)
    }
  })

  it('leaves the label where it has taken something private', async () => {
    await using world = await openFlowWorld(false)
    const lost: string[] = []
    for (const [at, recipe] of (await carriers()).entries()) {
      const id = `touch${at}`
      let copies = 0
      const route: Route = { id, own: `w${id}`, path: `/shared/finance/${id}.txt`, next: () => `/shared/w${id}-${(copies += 1)}.txt` }
      world.lay(route.path, `It is mari-${id}-gold.\n`)
      const session = await world.session([...recipe.steps(route, '')])
      const reader = recipe.to === 'talk' ? session : await world.session([call('file.read', { path: route.path })])
      if (!(await world.labels(reader)).includes('private')) lost.push(`${recipe.calls.join('+')} (to ${recipe.to})`)
      await world.clean()
    }
    assert.deepEqual(lost, [])
  })
})

describe('a call of models that changes something', () => {
  it('says what it does for rules about effects, unless it runs programs, acts in a page or brings files back', async () => {
    const calls = await describedCalls(parseConfig({}, 'the defaults'))
    const silent = calls.filter(
      ({ audience, tier, does, files, starts }) =>
        audience.includes('model') && tier !== 'read_only' && does === undefined && files === undefined && starts === undefined,
    )
    assert.deepEqual(
      silent.map(({ name }) => name),
      ['browser.click', 'browser.type', 'browser.act'],
    )
  })
})
