/** `oxbow embed list` and `pull`. Nothing of a model is loaded here: it is data until a guest that is told to use it reads it. */
import { listEmbedders, openHome, pullEmbedder } from '../../runner/index.ts'
import { printLine, printNotice } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { plainText } from '../view/terminal-text.ts'
import { table } from '../view/text-format.ts'

interface EmbedOptions {
  readonly json?: boolean | undefined
}

export async function embedList(options: EmbedOptions, terminal: Terminal): Promise<number> {
  const pulled = listEmbedders(openHome(terminal.env))
  const all = [
    { name: 'words-50k', setting: 'words-50k', bytes: 0 },
    ...pulled.map(({ name, path, bytes }) => ({ name, setting: `folder:${path}`, bytes })),
  ]
  if (options.json === true) for (const each of all) printLine(terminal, JSON.stringify(each))
  else {
    const rows = all.map(({ name, setting, bytes }) => [name, bytes === 0 ? 'built in' : megabytes(bytes), settingLine(setting)])
    printLine(terminal, plainText(table(rows)))
  }
  return 0
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
  printLine(terminal, plainText(table(pulled.files.map((file) => [file.name, megabytes(file.bytes), `sha256 ${file.hash}`]))))
  printLine(terminal, plainText(`To use it: ${settingLine(`folder:${pulled.path}`)}`))
  return 0
}

function settingLine(setting: string): string {
  return `memory.embedder = ${JSON.stringify(setting)}`
}

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${bytes} bytes` : `${(bytes / 1e6).toFixed(1)} MB`
}
