/** Budgets of what models learn, and the rights of scripts. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { encode } from 'gpt-tokenizer'
import { scaled } from '../../test/support/scale.ts'
import type { Caller } from '../protocol/index.ts'
import { scriptRights } from './allowed-tools.ts'
import { createCatalog } from './catalog.ts'
import { type CountTokens, listSkills, searchSkills, shownBody } from './disclosure.ts'
import { instructionSection } from './instructions.ts'
import type { TrustBook } from './trust.ts'

const countTokens: CountTokens = async (texts) => texts.map((text) => encode(text).length)

const thousand = Array.from({ length: 1_000 }, (_, at) => ({
  name: `skill-${at}`,
  description: `Does thing ${at} with files of kind ${at % 7}. Use when the person asks for thing ${at}.`,
}))

describe('the list of skills', () => {
  it('has at most 4 000 tokens, the first skills first, and says that there are more', async () => {
    const text = await listSkills(thousand, countTokens)
    assert.ok(encode(text).length <= 4_000 && encode(text).length > 3_500, `${encode(text).length} tokens`)
    assert.match(text, /\n- skill-0: /)
    assert.match(text, /\n\d+ more skills are not listed: skill_search/)
    assert.equal(await listSkills([], countTokens), '')
  })

  it('is searched by words of names and descriptions', () => {
    assert.equal(searchSkills(thousand, 'thing 417')[0]?.name, 'skill-417')
    assert.deepEqual(searchSkills(thousand, 'zebra'), [])
  })
})

const ox = { name: 'ox', rights: new Set(['skill.use']) }

describe('a host that does not answer', () => {
  it('delays the first turns alone, and counts once it answers', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const skill = {
      place: 'user',
      agent: '',
      folder: 'late',
      head: '---\nname: late\ndescription: Comes late.\n---\n',
      problem: '',
    } as const
    const answer = Promise.withResolvers<{ skills: (typeof skill)[]; prompts: [] }>()
    const host = { skills: () => answer.promise, skillFiles: async () => [] }
    const trust = { all: async () => new Map() } as Pick<TrustBook, 'all'> as TrustBook
    const catalog = createCatalog({ host, trust, nowMs: () => 0 })
    const first = catalog.usable(ox)
    t.mock.timers.tick(1_000)
    assert.deepEqual(await first, [])
    assert.deepEqual(await catalog.usable(ox), [])
    answer.resolve({ skills: [skill], prompts: [] })
    await catalog.host()
    assert.equal((await catalog.usable(ox))[0]?.name, 'late')
  })
})

describe('the body of a skill', () => {
  it('has at most 5 000 tokens and ends with a whole line, whatever it is made of', async () => {
    const body = fc.oneof(
      fc.constant('A line of words that says what to do next.\n'.repeat(2_000)),
      fc.constant('𓀀'.repeat(10_000)),
      fc.constant('x'.repeat(100_000)),
      fc.string({ unit: 'binary', maxLength: 50 }).map((text) => text.repeat(600)),
    )
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        const shown = await shownBody(text, async (texts) => texts.map((each) => Math.ceil(Buffer.byteLength(each) / 2)))
        assert.ok(Buffer.byteLength(shown.text) / 2 <= 5_000 && text.startsWith(shown.text))
        assert.equal(shown.lines === null, shown.text.length === text.length)
      }),
      { numRuns: scaled(500, 20) },
    )
    const { text } = await shownBody('A line of words.\n'.repeat(5_000), countTokens)
    assert.ok(encode(text).length <= 5_000 && text.endsWith('words.'))
  })
})

describe('scripts', () => {
  const caller = (...rights: string[]): Pick<Caller, 'rights'> => ({ rights: new Set(rights) })
  const all = caller('shell.run', 'file.read', 'file.write')
  const command = ['python3', '/skills/a/scripts/x.py', '1']

  it('have the rights of the agent that the skill allows, and no others', () => {
    assert.equal(scriptRights(all, null, command).files, 'write')
    assert.equal(scriptRights(all, ['Bash', 'Read'], command).files, 'read')
    assert.equal(scriptRights(all, ['Bash'], command).files, 'none')
    assert.equal(scriptRights(caller('shell.run', 'file.read'), ['Bash', 'Write'], command).files, 'read')
    assert.equal(scriptRights(caller('file.read'), null, command).run, false)
    assert.equal(scriptRights(all, [], command).run, false)
    assert.equal(scriptRights(all, ['Unknown', 'constructor', '__proto__'], command).run, false)
    const entries = ['file.write:/shared/a']
    const limits = {
      entries,
      denied: new Set<string>(),
      only: new Map([['file.write', ['/shared/a']]]),
      except: new Map<string, string[]>(),
    }
    assert.equal(scriptRights({ ...all, limits }, null, command).files, 'read')
  })

  it('start as the patterns of Bash say', () => {
    const may = (pattern: string): boolean => scriptRights(all, [`Bash(${pattern})`], command).run
    assert.deepEqual(['python3:*', 'python3', 'python3 *', '*', 'x.py', 'git:*', 'python3 x', 'python'].map(may), [
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
  })
})

describe('instructions of folders', () => {
  it('have at most 32 KiB in all, the nearest last; the others are named', () => {
    const files = [
      { path: '/shared/a/b/AGENTS.md', text: 'inner' },
      { path: '/shared/AGENTS.md', text: 'outer' },
      { path: '/shared/c/AGENTS.md', text: 'x'.repeat(32 * 1024) },
    ]
    const section = instructionSection(files, ['/shared/d/AGENTS.md'])
    assert.ok(section.indexOf('outer') < section.indexOf('inner'))
    assert.match(section, /Read these before you work in their folders: \/shared\/c\/AGENTS\.md/)
    assert.ok(Buffer.byteLength(section) < 34 * 1024)
    assert.match(section, /\/shared\/d\/AGENTS\.md has changed/)
  })
})
