const maxTries = 5
const maxCalls = 20

export default ({ request, name: wanted, folder: place = '/shared/programs' }) => {
  const parent = place.replace(/\/+$/, '')
  const listed = oxbow.call('program.calls', {}).output.calls
  const picked = oxbow.ask(pickPrompt(request, listed, wanted), { schema: pickSchema, system })
  const name = wanted ?? picked.name
  const folder = `${parent}/${name}`
  if (exists(folder)) throw new Error(`${folder} exists. Say another name or folder, or move it away.`)
  const names = [...new Set([...picked.calls, 'program.ask'])].slice(0, maxCalls)
  const described = oxbow.call('program.calls', { names }).output?.calls ?? listed.filter((each) => names.includes(each.name))

  let files
  let findings = []
  for (let tries = 1; tries <= maxTries; tries++) {
    files = oxbow.ask(writePrompt(request, name, described, files, findings), { schema: filesSchema, system })
    findings = findingsIn(name, files)
    if (findings.length > 0) continue
    const written = { 'program.toml': files.toml, 'SKILL.md': files.instructions, 'main.js': files.script, ...testsOf(files) }
    for (const [file, text] of Object.entries(written)) put(`${folder}/${file}`, text)
    const calls = listed.map((each) => each.name).filter((each) => files.toml.includes(`"${each}"`) || files.toml.includes(`'${each}'`))
    const text = `${name} is in ${folder}, and passes its checks and its tests (${files.tests.length}).\nIt may call: ${calls.join(', ') || 'nothing'}\nRead it, then install it: oxbow program install, with the folder as it is called on the host.`
    console.log(text)
    return { ok: true, made: true, text, name, folder, calls, files: Object.keys(written), tries, findings: [] }
  }
  const text = `Nothing was written: after ${maxTries} tries, this is still wrong:\n${findings.map((each) => `- ${each}`).join('\n')}`
  console.log(text)
  return { ok: false, made: false, text, name, folder: '', calls: [], files: [], tries: maxTries, findings }
}

// A file can be written again where the guest was killed or stopped meanwhile.
function put(path, text) {
  for (let left = 3; ; left--)
    try {
      return oxbow.call('file.write', { path, text })
    } catch (error) {
      if (!['outcome_unknown', 'cancelled'].includes(error.code) || left === 0) throw error
    }
}

// @returns what keeps it from being right: problems, rights that it does not use, tests that fail
function findingsIn(name, files) {
  const given = { toml: files.toml, instructions: files.instructions, script: files.script }
  const { problems, warnings } = oxbow.call('program.verify', { name, files: given }).output
  const found = [...problems, ...warnings].map(({ file, line, message }) => `${file}${line > 0 ? `:${line}` : ''}: ${message}`)
  if (found.length > 0) return found
  const { results } = oxbow.call('program.test', { name, files: { ...given, tests: testsOf(files) } }).output
  return results.filter(({ ok }) => !ok).map((each) => `tests/${each.name}.toml: ${each.problem}`)
}

const testsOf = ({ tests }) => Object.fromEntries(tests.map(({ name, toml }) => [`tests/${name}.toml`, toml]))

function exists(folder) {
  try {
    oxbow.call('file.list', { path: folder })
    return true
  } catch (error) {
    if (error.code !== 'not_found') throw error
    return false
  }
}

// --- the model ---

const system = 'You write programs of Oxbow: workflows of calls with the least rights. You answer with what is asked for, and nothing else.'
const text = { type: 'string', minLength: 1, maxLength: 60_000 }
const objectOf = (properties) => ({ type: 'object', additionalProperties: false, required: Object.keys(properties), properties })

const pickSchema = objectOf({
  name: { type: 'string', pattern: '^[a-z][a-z0-9_-]{0,31}$' },
  calls: { type: 'array', maxItems: maxCalls, items: { type: 'string', maxLength: 100 } },
})
const filesSchema = objectOf({
  toml: text,
  instructions: text,
  script: text,
  tests: {
    type: 'array',
    minItems: 1,
    maxItems: 10,
    items: objectOf({ name: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,40}$' }, toml: text }),
  },
})

const pickPrompt = (request, listed, wanted) => `A program is to do this:
${request}

These calls are there:
${listed.map(({ name, summary }) => `${name}: ${summary}`).join('\n')}

Which of them does it need? As few as possible.${wanted === undefined ? ' And how is it called?' : ` It is called ${wanted}.`}`

const writePrompt = (request, name, described, files, findings) => `Write the program ${name}, which does this:
${request}

${guide(name)}

The calls, with the JSON Schemas of what they take and return:
${described.map((each) => JSON.stringify(each)).join('\n')}
${
  findings.length === 0
    ? ''
    : `
Your last answer was:
${JSON.stringify(files)}

This is wrong in it:
${findings.map((each) => `- ${each}`).join('\n')}

Answer with all files again.
`
}`

const guide = (name) => `toml is its program.toml:
[program]
name = "${name}"
version = "0.1.0"
description = "One sentence."
[rights]
calls = ["file.read", { call = "file.write", input = { path = "/shared/notes/*" } }]  # only calls that the script makes; a table limits fields of the input
paths = ["/shared/notes"]  # folders below /shared or /tmp, only with calls that are bound by paths
hosts = ["example.org"]  # only with calls that are bound by hosts
[input]  # JSON Schema
type = "object"
[result]  # JSON Schema
type = "string"

instructions is its SKILL.md: front matter with name and description, then what it does, in words.

script is its main.js, an ES module without imports, clock, chance and await: export default (input) => result. It has oxbow.call(name, input), which returns { ok, text, output } or throws an error with a code; oxbow.ask(prompt, { schema }), which asks a model and needs the call program.ask; oxbow.sleep(seconds); oxbow.now(), unix milliseconds; console.log. The name of each call stands in it as a text, 'file.read'.

tests are cases, each a TOML text: input = { … }, result = what it returns, and a table for each call in order:
[[call]]
name = "file.read"
input = { path = "/shared/notes/a.txt" }
output = { … as its schema says … }
A case of a failure has failure = "its code" instead of result, and a call that fails has fails = "its code".`
