/** Makes a folder with a program to begin with: it passes its checks and its tests. */
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ownValue, OxbowError } from '../../base/index.ts'
import { definitionName } from '../../config/index.ts'

/** @returns the name of the program @throws OxbowError `bad_input` if something is there, or its name cannot be one */
export async function newProgram(folder: string): Promise<string> {
  const place = resolve(folder)
  const name = basename(place)
  if (!definitionName.test(name))
    throw new OxbowError('bad_input', `${name} cannot be the name of a program.`, {
      hint: 'A name has up to 32 lower-case letters, digits, - and _, and begins with a letter.',
    })
  try {
    await mkdir(place)
    await mkdir(join(place, 'tests'))
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const reasons: Readonly<Record<string, string>> = { EEXIST: `${place} exists`, ENOENT: `there is no folder ${dirname(place)}` }
    throw new OxbowError('bad_input', `The program cannot be made: ${ownValue(reasons, code ?? '') ?? message}.`, {
      hint: 'Name a new folder in one that exists.',
      cause,
    })
  }
  const files = { 'program.toml': manifest(name), 'SKILL.md': skill(name), 'main.js': script, 'tests/counts.toml': test }
  for (const [file, text] of Object.entries(files)) await writeFile(join(place, file), text, { flag: 'wx' })
  return name
}

const manifest = (name: string): string => `[program]
name = "${name}"
version = "0.1.0"
description = "Counts the lines of a file."

# All that it is allowed to do.
[rights]
calls = ["file.read"]
paths = ["/shared"]

[input]
type = "object"
properties = { path = { type = "string", description = "A file in /shared." } }
required = ["path"]
additionalProperties = false

[result]
type = "object"
properties = { lines = { type = "integer" } }
required = ["lines"]
`

const skill = (name: string): string => `---
name: ${name}
description: Counts the lines of a file.
---

Read the file that \`path\` names, and return how many lines it has.
`

const script = `export default ({ path }) => {
  const { output } = oxbow.call('file.read', { path })
  return { lines: output.total_lines }
}
`

const test = `# \`oxbow program test\` answers the calls of the program with these, and compares what it returns.
input = { path = "/shared/list.txt" }
result = { lines = 2 }

[[call]]
name = "file.read"
input = { path = "/shared/list.txt" }
output = { text = "one\\ntwo", total_lines = 2 }
`
