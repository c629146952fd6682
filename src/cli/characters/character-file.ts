/** The file of a character, as a person names it on the command line, and the files of the agent that it becomes. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { readCharacter, type ReadCharacter } from '../../plugins/index.ts'
import { openHome } from '../../runner/index.ts'
import { OxbowError } from '../../base/index.ts'
import { definitionName, maxCharacterBytes } from '../../config/index.ts'
import { plainLine } from '../../terminal/index.ts'
import { assertFile } from '../own-files.ts'
import { printNotice, type Terminal } from '../terminal.ts'

/** @throws OxbowError `not_found`, `bad_input` with everything that is wrong */
export async function readCharacterFile(
  file: string,
  { strict = false }: { readonly strict?: boolean | undefined },
): Promise<ReadCharacter> {
  const reading = await readCharacter(await readCharacterText(file), { strict })
  if (reading.ok) return reading.read
  const problems = reading.problems.map((problem) => `  ${plainLine(problem, 300)}`)
  throw new OxbowError('bad_input', `${file} is no character that can be used:\n${problems.join('\n')}`, {
    hint: strict ? 'Correct the file, or omit --strict for fields that are not known.' : 'Correct the file.',
  })
}

export async function readCharacterText(file: string): Promise<string> {
  assertFile(file, 'Name the file of a character.')
  const handle = await open(file).catch((cause: unknown) => {
    throw new OxbowError('not_found', `${file} cannot be read`, { hint: 'Name the file of a character.', cause })
  })
  try {
    const { size } = await handle.stat()
    if (size > maxCharacterBytes)
      throw new OxbowError('limit_reached', `${file} has ${size} bytes; at most ${maxCharacterBytes} are read`, {
        hint: 'Move long texts into files, and name them in knowledge as {"path": "…"}.',
      })
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

const maxPrinted = 50

export function printWarnings(warnings: readonly string[], terminal: Terminal): void {
  for (const warning of warnings.slice(0, maxPrinted)) printNotice(terminal, `warning: ${plainLine(warning, 300)}`)
  if (warnings.length > maxPrinted) printNotice(terminal, `warning: and ${warnings.length - maxPrinted} more`)
}

/** Where the files of an agent's definition are. */
export function characterFiles(terminal: Terminal, name: string): Readonly<Record<'folder' | 'toml' | 'character', string>> {
  if (!definitionName.test(name))
    throw new OxbowError('bad_input', `${JSON.stringify(name.slice(0, 60))} cannot be the name of an agent`, {
      hint: 'Use a letter, then letters, digits, - and _, in lower case, at most 32 in all; --as gives another name.',
    })
  const folder = join(openHome(terminal.env).root, 'agents')
  return { folder, toml: join(folder, `${name}.toml`), character: join(folder, `${name}.character.json`) }
}
