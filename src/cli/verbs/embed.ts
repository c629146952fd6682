/** `oxbow embed list`, `pull` and `use`. Models are not loaded here, but by a guest that is configured to use one. */
import { chooseEmbedder, listEmbedders, openHome, pullEmbedder } from '../../runner/index.ts'
import { userWorkspace } from '../guest-connection.ts'
import { printAnswer, printLine, printList, printNotice, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'
import { formatBytes, plainText, table } from '../../terminal/index.ts'

interface EmbedOptions {
  readonly json?: boolean | undefined
}

export async function embedList(options: EmbedOptions, terminal: Terminal): Promise<number> {
  const pulled = listEmbedders(openHome(terminal.env))
  const all = [
    { name: 'words-50k', setting: 'words-50k', bytes: 0 },
    ...pulled.map(({ name, path, bytes }) => ({ name, setting: `folder:${path}`, bytes })),
  ]
  const rows = all.map(({ name, setting, bytes }) => [name, bytes === 0 ? 'built in' : formatBytes(bytes), settingLine(setting)])
  return printList(all, { text: () => plainText(table(rows)) }, options, terminal)
}

export async function embedPull(
  name: string,
  options: EmbedOptions & { readonly from?: string | undefined },
  terminal: Terminal,
): Promise<number> {
  if (options.json !== true) printNotice(terminal, `Fetching ${plainText(name)} …`)
  const pulled = await pullEmbedder(openHome(terminal.env), name, options.from)
  if (options.json === true) {
    printLine(terminal, JSON.stringify(pulled))
    return 0
  }
  printLine(
    terminal,
    plainText(table(pulled.files.map(({ name: file, bytes, hash, before }) => [file, sizeText(bytes, before), `sha256 ${hash}`]))),
  )
  printLine(terminal, plainText(`To use it: oxbow embed use ${pulled.name}, or in config.toml: ${settingLine(`folder:${pulled.path}`)}`))
  return 0
}

export async function embedUse(
  name: string,
  options: EmbedOptions & { readonly user?: string | undefined },
  terminal: Terminal,
): Promise<number> {
  const home = openHome(terminal.env)
  const workspace = userWorkspace(home, options.user ?? defaultUser, terminal)
  const chosen = chooseEmbedder(home, workspace, { name, own: options.user !== undefined, cwd: process.cwd() })
  return printAnswer(chosen, plainText(describeChoice(chosen)), options, terminal)
}

function describeChoice({ setting, file, changed, overriddenBy }: ReturnType<typeof chooseEmbedder>): string {
  const lines = [changed ? `Set ${settingLine(setting)} in ${file}.` : `${file} already has ${settingLine(setting)}.`]
  if (overriddenBy !== '') lines.push(`But ${overriddenBy} overrides it for this user: add --user.`)
  else if (changed && setting === 'none') lines.push('It takes effect when a guest starts next; memory is then searched by words only.')
  else if (changed)
    lines.push('It takes effect when a guest starts next. New vectors are made in the background; until then the old ones are used.')
  if (isService(setting)) lines.push('The text of every stored message, note and document, and every query, is sent to that service.')
  return lines.join('\n')
}

/** True for `provider/model`, not for a folder. */
function isService(setting: string): boolean {
  return setting.includes('/') && !/^(?:folder|onnx):/.test(setting)
}

function settingLine(setting: string): string {
  return `memory.embedder = ${JSON.stringify(setting)}`
}

/** @param before bytes already downloaded by an interrupted pull */
function sizeText(bytes: number, before: number): string {
  return before > 0 && bytes - before > 1 ? `${formatBytes(bytes)}, resumed at ${formatBytes(before)}` : formatBytes(bytes)
}
