/** SKILL.md: the verdict of the reference (skills-ref 0.1.5), on the cases of its own tests and on generated files, and hostile files. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { parseFrontmatter, validate, validateMetadata } from 'skills-ref'
import { scaled } from '../../test/support/scale.ts'
import { readSkill } from './skill-file.ts'

const root = mkdtempSync(join(tmpdir(), 'skill-file-'))
after(() => rmSync(root, { recursive: true }))

let made = 0

/** As `validate` does it, without a file. */
function verdictOfText(text: string, folder: string): readonly string[] {
  try {
    return validateMetadata(parseFrontmatter(text)[0], `/${folder}`).map(shortened)
  } catch (error) {
    return [shortened(error instanceof Error && error.name === 'ParseError' ? error.message : String(error))]
  }
}

/** Fields of other programs are an error of the reference and a warning here. */
function withoutFields(theirs: readonly string[], warnings: readonly string[]): readonly string[] {
  const left = theirs.filter((error) => !error.startsWith('Unexpected fields'))
  const isYaml = theirs.some((error) => shortened(error) === 'Invalid YAML')
  if (!isYaml) assert.equal(warnings.length, theirs.length - left.length)
  return left
}

/** Writes the file where the reference reads it. */
async function verdicts(text: string, folder: string): Promise<readonly [ours: readonly string[], theirs: readonly string[]]> {
  const place = join(root, String((made += 1)), folder)
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'SKILL.md'), text)
  const { errors, warnings } = await readSkill(text, folder)
  const theirs = await validate(place)
  return [errors.map(shortened), withoutFields(theirs, warnings).map(shortened)]
}

/** What a parser says of a syntax error is not compared, only that it is one. */
const shortened = (error: string): string => (/^(?:Invalid YAML|TypeError)/.test(error) ? 'Invalid YAML' : error)

const skill = (fields: string, body = 'Body'): string => `---\n${fields}\n---\n${body}\n`
const long = 'a'.repeat(70)

/** The cases of the reference's own tests. */
const fixtures: readonly (readonly [folder: string, text: string])[] = [
  ['my-skill', skill('name: my-skill\ndescription: A test skill', '# My Skill')],
  ['MySkill', skill('name: MySkill\ndescription: A test skill')],
  [long, skill(`name: ${long}\ndescription: A test skill`)],
  ['-my-skill', skill('name: -my-skill\ndescription: A test skill')],
  ['my--skill', skill('name: my--skill\ndescription: A test skill')],
  ['my_skill', skill('name: my_skill\ndescription: A test skill')],
  ['wrong-name', skill('name: correct-name\ndescription: A test skill')],
  ['my-skill', skill('name: my-skill\ndescription: A test skill\nunknown_field: should not be here')],
  ['my-skill', skill('name: my-skill\ndescription: A test skill\nlicense: MIT\nmetadata:\n  author: Test\n  version: 1.0')],
  ['my-skill', skill('name: my-skill\ndescription: A test skill\nallowed-tools: Bash(jq:*) Bash(git:*)')],
  ['my-skill', skill('name: my-skill\ndescription: A test skill\nallowed-tools: [Read, Write, Edit, Bash]')],
  ['my-skill', skill('name: my-skill\ndescription: A test skill\nallowed-tools:\n  - Read\n  - 123')],
  ['my-skill', skill('name: my-skill\ndescription: A test skill\nallowed-tools: 123')],
  ['技能', skill('name: 技能\ndescription: A skill with Chinese name')],
  ['мой-навык', skill('name: мой-навык\ndescription: A skill with Russian name')],
  ['навык', skill('name: навык\ndescription: A skill with Russian lowercase name')],
  ['НАВЫК', skill('name: НАВЫК\ndescription: A skill with Russian uppercase name')],
  ['my-skill', skill(`name: my-skill\ndescription: ${'x'.repeat(1_100)}`)],
  ['my-skill', skill('name: my-skill\ndescription: A test skill\ncompatibility: Requires Python 3.11+')],
  ['my-skill', skill(`name: my-skill\ndescription: A test skill\ncompatibility: ${'x'.repeat(550)}`)],
  ['my-skill', skill('name: my-skill\ndescription: A test skill\ncompatibility: 3')],
  ['caf\u00e9', skill('name: cafe\u0301\ndescription: A test skill')],
  ['my-skill', '# No frontmatter here'],
  ['my-skill', '---\nname: my-skill\ndescription: A test skill\n'],
  ['my-skill', skill('name: [invalid\ndescription: broken')],
  ['my-skill', skill('- just\n- a\n- list')],
  ['my-skill', skill('description: A test skill')],
  ['my-skill', skill('name: my-skill')],
  ['my-skill', skill('just a text')],
  ['my-skill', '---\n---\nnothing'],
  ['my-skill', ''],
  // A second `---` ends the frontmatter wherever it stands.
  ['my-skill', skill('name: my-skill\ndescription: one---two')],
  ['123', skill('name: 123\ndescription: null')],
  ['a', skill('name: [a]\ndescription: {a: b}')],
  ['a', skill('name: a\nname: b\ndescription: twice')],
  ['a', '---\r\nname: a\r\ndescription: with CRLF\r\n---\r\nBody'],
  ['a', '\ufeff---\nname: a\ndescription: behind a BOM\n---\n'],
  ['a', skill('name: a\ndescription: "quoted: text"')],
  ['a', skill('name: a\ndescription: a colon: here')],
  ['a', skill('name: a\ndescription: |\n  two\n  lines')],
  ['a', skill('name: a\ndescription: {toString: 1}')],
  ['a', skill('name: a\ndescription: true')],
  ['a', skill('name: a\ndescription: text # and a comment')],
  ['a', skill('name: a\ndescription: text  ')],
  ['a', skill('name: a\n__proto__: x\ndescription: text')],
]

describe('the verdict on a SKILL.md', () => {
  it('equals the reference’s on the cases of its tests', async () => {
    for (const [folder, text] of fixtures) {
      const [ours, theirs] = await verdicts(text, folder)
      assert.deepEqual(ours, theirs, text.slice(0, 200))
    }
  })

  it('equals the reference’s on generated files', async () => {
    const names = fc.oneof(
      fc.stringMatching(/^[a-z0-9-]{1,20}$/),
      fc.stringMatching(/^[A-Za-z_\u00e4\u0416\u4e2d -]{1,12}$/),
      fc.constantFrom('null', 'true', '1.5', '2020-01-01', '~', '[x]', "'a'", '"b"', 'Yes', 'e\u0301', long),
    )
    const values = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.stringMatching(/^[A-Za-z ,.:#'"!&*@%{}[\]()-]{0,60}$/),
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(
        'A test skill',
        'x'.repeat(1_024),
        'x'.repeat(1_025),
        '>\n  folded\n  text',
        '[a, b]',
        '{a: 1}',
        '&x y',
        '*x',
        '!!binary aGk=',
      ),
    )
    const keys = fc.constantFrom('description', 'license', 'metadata', 'allowed-tools', 'compatibility', 'version', 'name', 'Description')
    const file = fc.record({
      name: names,
      others: fc.array(fc.tuple(keys, values), { maxLength: 5 }),
      hasName: fc.boolean(),
      end: fc.constantFrom('\n', '\r\n'),
      body: fc.string({ maxLength: 50 }),
      isSame: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(file, async ({ name, others, hasName, end, body, isSame }) => {
        const lines = [...(hasName ? [`name: ${name}`] : []), ...others.map(([key, value]) => `${key}: ${value}`)]
        const text = ['---', ...lines, '---', body].join(end)
        const folder = isSame && /^[^./\0\\ ]+$/.test(name) ? name : 'other'
        const { errors, warnings } = await readSkill(text, folder)
        assert.deepEqual(errors.map(shortened), withoutFields(verdictOfText(text, folder), warnings))
      }),
      { numRuns: scaled(10_000, 200) },
    )
  })

  it('takes a skill with fields of other programs, and names those without effect', async () => {
    const fields = 'name: a\ndescription: b\nmodel: opus\nargument-hint: "[path]"\ndisable-model-invocation: true\nversion: 1.0'
    const { head, errors, warnings } = await readSkill(skill(fields), 'a')
    assert.deepEqual([head?.name, errors.length], ['a', 0])
    assert.match(warnings.join(), /argument-hint, disable-model-invocation, model, version/)
  })

  it('reads names, descriptions and tools, and replaces nothing by the environment', async () => {
    process.env['SKILL_TEST_SECRET'] = 'value-of-the-environment'
    const text = skill(
      'name: a\ndescription: Uses {{SKILL_TEST_SECRET}} and $SKILL_TEST_SECRET.\nallowed-tools: Read, Bash(git add:*) Write',
      'Say {{SKILL_TEST_SECRET}}, ${SKILL_TEST_SECRET} and $SKILL_TEST_SECRET.',
    )
    const { head, body } = await readSkill(text, 'a')
    delete process.env['SKILL_TEST_SECRET']
    assert.deepEqual(head?.allowedTools, ['Read', 'Bash(git add:*)', 'Write'])
    assert.doesNotMatch(JSON.stringify([head, body]), /value-of-the-environment/)
    assert.match(body, /\{\{SKILL_TEST_SECRET\}\}, \$\{SKILL_TEST_SECRET\} and \$SKILL_TEST_SECRET/)
  })

  it('keeps the whole body where the reference ends at the next hyphens', async () => {
    const { body } = await readSkill(skill('name: a\ndescription: b', 'first\n\n---\n\nsecond'), 'a')
    assert.match(body, /second/)
  })
})

describe('a hostile SKILL.md', () => {
  it('is judged quickly and never throws, whatever its bytes are', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 })
    const pieces = fc.array(
      fc.constantFrom('---', '\n', 'name:', ' a', '[', '{', '&x ', '*x', '- ', '<<: ', '!!js/function ', '|', '? ', '\t', '"', "'", '%'),
      { maxLength: 40 },
    )
    const texts = fc.oneof(
      bytes.map((each) => Buffer.from(each).toString()),
      pieces.map((each) => `---\n${each.join('')}\n---\n`),
    )
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const { head, errors } = await readSkill(text, 'a')
        assert.equal(head === null, errors.length > 0)
      }),
      { numRuns: scaled(10_000, 300) },
    )
  })

  it('does not blow up by aliases, depth or size', async () => {
    const levels = Array.from({ length: 30 }, (_, at) => `k${at}: &k${at} [${Array.from({ length: 9 }, () => `*k${at - 1}`).join(', ')}]`)
    const bomb = skill(
      ['name: &k [a]', 'metadata: &kk', ...levels.map((line) => line.replaceAll('*k-1', '*k')), 'description: *k29'].join('\n'),
    )
    const hostile = [
      bomb,
      skill(`name: ${'['.repeat(30_000)}`),
      skill(`name: ${'{a: '.repeat(10_000)}`),
      skill('name: &a [*a]\ndescription: *a'),
      `---\n${'x'.repeat(400_000)}\n---`,
    ]
    const began = process.cpuUsage().user
    for (const text of hostile) assert.equal((await readSkill(text, 'a')).head, null)
    assert.ok(process.cpuUsage().user - began < 3_000_000, 'it takes no time worth mentioning')
  })
})
