/**
 * `oxbow persona new` and `edit`: the files of a definition, which are the person's to change. Of a file that is there, only the keys that are
 * named change; comments and all else stay. What a guest would refuse is said by `oxbow persona list`.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { changeText, openHome, readDefinitionTable, writePlainDefinition } from '../../runner/index.ts'
import { OxbowError, ownValue, writeWhole } from '../../base/index.ts'
import { type ConfigChange, definitionName, maxAgentDescription, maxAgentStyle, memoryScopes } from '../../config/index.ts'
import { expandRights, wrongAgentRights } from '../../protocol/index.ts'
import { guestSetup } from '../guest-connection.ts'
import { editorOf, printAnswer, printPreview, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'
import { personaTemplates } from './persona-templates.ts'

interface PersonaFields {
  readonly description?: string | undefined
  readonly style?: string | undefined
  readonly model?: string | undefined
  readonly right?: readonly string[] | undefined
  readonly memory?: string | undefined
}

interface NewOptions extends PersonaFields {
  readonly template?: string | undefined
  readonly dryRun?: boolean | undefined
  readonly json?: boolean | undefined
}

interface EditOptions extends PersonaFields {
  readonly newId?: boolean | undefined
  readonly enable?: boolean | undefined
  readonly disable?: boolean | undefined
  readonly json?: boolean | undefined
}

/** @returns a key of notes, with which a persona finds its own again whatever its name is. */
const newId = (): string => randomBytes(8).toString('hex')

function filesOf(terminal: Terminal, name: string): { readonly folder: string; readonly toml: string; readonly text: string } {
  if (!definitionName.test(name))
    throw new OxbowError('bad_input', `${JSON.stringify(name.slice(0, 60))} cannot be the name of a persona`, {
      hint: 'Use a letter, then letters, digits, - and _, in lower case, at most 32 in all.',
    })
  const folder = join(openHome(terminal.env).root, 'agents')
  return { folder, toml: join(folder, `${name}.toml`), text: join(folder, `${name}.md`) }
}

/** @throws OxbowError `bad_input` */
function assertFields({ description, style = '', right = [], memory }: PersonaFields): void {
  const wrong = wrongAgentRights([...right])
  if (wrong !== '') throw new OxbowError('bad_input', wrong, { hint: 'See docs/access.md for the names of rights.' })
  if (description !== undefined && (description.trim() === '' || description.length > maxAgentDescription))
    throw new OxbowError('bad_input', `a description has 1 to ${maxAgentDescription} characters`, {
      hint: 'Say in a sentence what it is for.',
    })
  if (style.length > maxAgentStyle)
    throw new OxbowError('bad_input', `the style has ${style.length} characters; at most ${maxAgentStyle} are read`, {
      hint: 'Say how it speaks in a few sentences. What it is to do stands in its .md file.',
    })
  if (memory !== undefined && !memoryScopes.some((scope) => scope === memory))
    throw new OxbowError('bad_input', `there is no memory ${JSON.stringify(memory.slice(0, 60))}`, {
      hint: `Choose ${memoryScopes.join(', ')}.`,
    })
}

/** Rights that a person names; templates have only known ones. */
async function assertRights({ right = [] }: PersonaFields, terminal: Terminal): Promise<void> {
  if (right.length === 0) return
  const { assertKnownRights } = await import('../verbs/known-names.ts')
  await assertKnownRights(guestSetup({ user: defaultUser }, terminal), right)
}

/** A persona that was deleted leaves notes under its id: another one of its name has another id, and does not recall them. */
export async function personaNew(name: string, options: NewOptions, terminal: Terminal): Promise<number> {
  const files = filesOf(terminal, name)
  assertFields(options)
  if (existsSync(files.toml))
    throw new OxbowError('bad_input', `there is an agent ${name} already`, { hint: `Change it: oxbow persona edit ${name}` })
  await assertRights(options, terminal)
  const wanted = options.template ?? (ownValue(personaTemplates, name as 'dev') === undefined ? 'plain' : name)
  const template = ownValue(personaTemplates, wanted as 'dev')
  if (template === undefined)
    throw new OxbowError('bad_input', `there is no template ${JSON.stringify(wanted.slice(0, 60))}`, {
      hint: `Choose ${Object.keys(personaTemplates).join(', ')}.`,
    })
  const { description = template.description, style = template.style, model = '', right, memory = 'persona' } = options
  const rights = right === undefined ? template.rights : expandRights([...right])
  const table = {
    description,
    ...(template.capabilities.length > 0 && { capabilities: template.capabilities }),
    ...(style !== '' && { style }),
    ...(model !== '' && { model }),
    rights: [...rights],
    memory,
    ...(memory === 'persona' && { id: newId() }),
  }
  const report = { persona: name, file: files.toml, rights, memory }
  if (options.dryRun === true) return printPreview({ would: `make the persona ${name}`, target: report }, options, terminal)
  mkdirSync(files.folder, { recursive: true, mode: 0o700 })
  writePlainDefinition(files, table, template.text === '' ? undefined : `${template.text}\n`)
  return printAnswer(
    report,
    [
      `Made the persona ${name}: ${files.toml}`,
      `Its rights: ${rights.join(', ')}. They are no more than yours, and each call is judged as ever.`,
      `Talk to it: oxbow chat --agent ${name}, or in a conversation: /persona ${name}`,
    ].join('\n'),
    options,
    terminal,
  )
}

export async function personaEdit(name: string, options: EditOptions, terminal: Terminal): Promise<number> {
  const files = filesOf(terminal, name)
  assertFields(options)
  if (!existsSync(files.toml))
    throw new OxbowError('not_found', `you have no persona ${name}`, {
      hint: `Make it: oxbow persona new ${name}. \`oxbow persona list\` shows all.`,
    })
  await assertRights(options, terminal)
  const table = readDefinitionTable(files.toml)
  const changes = changesOf(table, options)
  if (changes.length > 0) {
    const before = readFileSync(files.toml, 'utf8')
    writeWhole(files.toml, changeText(files.toml, before, changes))
  } else if (Object.keys(options).every((option) => option === 'json')) {
    const editor = editorOf(terminal, `a field: oxbow persona edit ${name} --style TEXT; --help lists all.`)
    // As git does: the variable may have arguments.
    const { status, error } = spawnSync('/bin/sh', ['-c', `${editor} "$1" "$2"`, 'sh', files.toml, files.text], { stdio: 'inherit' })
    if (error !== undefined || status !== 0)
      throw new OxbowError('bad_input', `The editor ${editor} failed.`, { hint: 'Set EDITOR to the editor that you use.' })
    readDefinitionTable(files.toml)
  }
  const changed = changes.map(({ key }) => key.join('.'))
  const text = `Saved ${files.toml}. Conversations that have ${name} take it up when they choose it again: oxbow persona use ${name}`
  return printAnswer({ persona: name, file: files.toml, changed }, text, options, terminal)
}

function changesOf(table: Readonly<Record<string, unknown>>, options: EditOptions): readonly ConfigChange[] {
  const { description, style, model, right, memory } = options
  if (options.enable === true && options.disable === true)
    throw new OxbowError('bad_input', 'A persona is enabled or disabled, not both.', { hint: 'Name one of --enable and --disable.' })
  const keepsNotes = memory === 'persona' || (memory === undefined && table['memory'] === 'persona')
  const needsId = keepsNotes && (options.newId === true || typeof table['id'] !== 'string')
  const set = (key: string, value: ConfigChange['value'] | undefined): readonly ConfigChange[] =>
    value === undefined ? [] : [{ key: [key], value }]
  const orNone = (text: string | undefined): string | null | undefined => (text === '' ? null : text)
  return [
    ...set('description', description),
    ...set('style', orNone(style)),
    ...set('model', orNone(model)),
    ...set('rights', right === undefined ? undefined : [...expandRights([...right])]),
    ...set('memory', memory),
    ...set('id', needsId && (options.newId === true || memory === 'persona') ? newId() : undefined),
    ...(options.enable === true && table['enabled'] !== undefined ? set('enabled', null) : []),
    ...set('enabled', options.disable === true ? false : undefined),
  ]
}
