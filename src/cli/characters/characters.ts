/** `oxbow character check|show|export`. A character is the definition of an agent, whose files the person can change. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { characterPrompt, ownSecrets, readCharacter, type ReadCharacter, withSecrets } from '../../plugins/index.ts'
import { readDefinitionTable } from '../../runner/index.ts'
import { isObject, type JsonObject, OxbowError } from '../../base/index.ts'
import { plainLine, plainText, table } from '../../terminal/index.ts'
import { type GuestChoice, guestSetup, withGuest, outputOf } from '../guest-connection.ts'
import { printAnswer, printLine, printText, type Terminal } from '../terminal.ts'
import { characterFiles, printWarnings, readCharacterFile, readCharacterText } from './character-file.ts'

interface CheckOptions {
  readonly strict?: boolean | undefined
  readonly json?: boolean | undefined
}

export async function characterCheck(file: string, options: CheckOptions, terminal: Terminal): Promise<number> {
  const { character, form, warnings } = await readCharacterFile(file, options)
  if (options.json === true) printLine(terminal, JSON.stringify({ form, warnings, ...summaryOf(character) }))
  else {
    printText(terminal, summaryText({ character, form }))
    printWarnings(warnings, terminal)
  }
  return 0
}

type Summarized = Pick<ReadCharacter, 'character' | 'form'>

function summaryOf({
  name,
  bio,
  lore,
  style,
  topics,
  adjectives,
  messageExamples,
  postExamples,
  knowledge,
  ...rest
}: Summarized['character']) {
  return {
    name,
    bio: bio.length,
    lore: lore.length,
    style: style.all.length + style.chat.length + style.post.length,
    topics: topics.length,
    adjectives: adjectives.length,
    message_examples: messageExamples.length,
    post_examples: postExamples.length,
    knowledge: knowledge.length,
    templates: Object.keys(rest.templates).length,
    plugins: rest.plugins,
    secrets: Object.keys(rest.secrets),
  }
}

function summaryText({ character, form }: Summarized): string {
  const { name, plugins, secrets, ...counts } = summaryOf(character)
  const rows = Object.entries(counts).filter(([, count]) => count > 0)
  return table([
    ['name', plainLine(name, 100)],
    ['form', form],
    ...rows.map(([key, count]) => [key.replace('_', ' '), String(count)]),
    ...(plugins.length === 0 ? [] : [['plugins', plainLine(plugins.join(', '), 400)]]),
    ...(secrets.length === 0 ? [] : [['secrets', plainLine(secrets.join(', '), 400)]]),
  ])
}

interface Imported {
  readonly read: ReadCharacter
  /** Names of its secrets for which handles stand in the file. */
  readonly secrets: readonly string[]
  readonly variables: Readonly<Record<string, string>>
}

/** @throws OxbowError `not_found`, `bad_config` */
async function importedCharacter(terminal: Terminal, name: string): Promise<Imported> {
  const files = characterFiles(terminal, name)
  if (!existsSync(files.character))
    throw new OxbowError('not_found', `there is no character ${name}`, {
      hint: 'oxbow character import FILE makes one; oxbow agents list shows them.',
    })
  const reading = await readCharacter(await readCharacterText(files.character))
  if (!reading.ok)
    throw new OxbowError('bad_config', `${files.character} cannot be used: ${reading.problems[0]}`, { hint: 'Correct the file.' })
  const { variables, secrets } = readDefinitionTable(files.toml)
  const { read } = reading
  return {
    read,
    secrets: ownSecrets(read.original, name, secrets),
    variables: isObject(variables) ? (variables as Imported['variables']) : {},
  }
}

export async function characterShow(
  name: string,
  options: GuestChoice & { readonly message?: string | undefined; readonly json?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  guestSetup(options, terminal)
  const { read, variables } = await importedCharacter(terminal, name)
  const prompt = characterPrompt(read.character, { seed: options.message ?? randomUUID(), variables })
  return printAnswer(
    { form: read.form, ...summaryOf(read.character), prompt },
    `${summaryText(read)}\n\n${plainText(prompt)}`,
    options,
    terminal,
  )
}

interface ExportOptions extends GuestChoice {
  readonly out?: string | undefined
  readonly secrets?: boolean | undefined
}

export async function characterExport(name: string, options: ExportOptions, terminal: Terminal): Promise<number> {
  guestSetup(options, terminal)
  const { read, secrets } = await importedCharacter(terminal, name)
  const file = options.secrets === true ? await revealed(read.original, secrets, options, terminal) : read.original
  const text = JSON.stringify(file, null, 2)
  if (options.out === undefined) printLine(terminal, text)
  else
    await writeFile(options.out, `${text}\n`, { flag: 'wx', mode: 0o600 }).catch((cause: unknown) => {
      throw new OxbowError('bad_input', `${options.out} cannot be created`, { hint: 'Name a file that does not exist yet.', cause })
    })
  return 0
}

async function revealed(original: JsonObject, names: readonly string[], options: GuestChoice, terminal: Terminal): Promise<JsonObject> {
  if (names.length === 0) return original
  return withGuest(options, terminal, async ({ gateway }) => {
    const values: [string, string][] = []
    for (const name of names) values.push([name, (await outputOf(gateway, 'secret.reveal', { name })).value])
    return withSecrets(original, Object.fromEntries(values))
  })
}
