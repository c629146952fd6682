/** The calls by which agents use skills: search, open, and run a script. */
import { z } from 'zod'
import { OxbowError } from '../base/index.ts'
import {
  type Call,
  type CallContext,
  defineCall,
  evident,
  type Sandbox,
  type ServerProcess,
  type ServerProgram,
  type StartedProgram,
} from '../protocol/index.ts'
import { scriptRights } from './allowed-tools.ts'
import type { SkillUser } from './catalog.ts'
import { type CountTokens, searchSkills, shownBody } from './disclosure.ts'
import { maxFileBytes, maxScriptOutputBytes, maxScriptSeconds } from './limits.ts'
import { fileOf, type OpenDeps, openSkill, type OpenedSkill } from './open-skill.ts'
import { textIn } from './trust.ts'

export interface AgentCallDeps extends OpenDeps {
  readonly countTokens: CountTokens
  /** Name of the usual agent, as which a person opens skills. */
  readonly agent: string
  /** Folders of the person in /shared. */
  readonly mounts: () => readonly string[]
  readonly sandbox: Sandbox
}

export function agentCalls(deps: AgentCallDeps): readonly Call[] {
  return [openCall(deps), searchCall(deps), runCall(deps)]
}

const skillName = z.string().min(1).max(200)

/** @returns whose skills a caller uses, with the rights of the caller */
function userOf({ caller: { actor, rights, limits } }: Pick<CallContext, 'caller'>, usual: string): SkillUser {
  return { name: /^agent:(.+)$/.exec(actor)?.[1] ?? usual, rights, ...(limits !== undefined && { limits }) }
}

function openCall(deps: AgentCallDeps): Call {
  return defineCall({
    name: 'skill.open',
    reaches: { kind: 'name', fields: ['name'] },
    summary: 'Opens a skill: its instructions, or one of its files.',
    input: z.strictObject({
      name: skillName.meta(evident('Name of the skill.')),
      file: z.string().max(500).default('').meta(evident('A file of the skill, relative to its folder. Default: its instructions.')),
    }),
    output: z.strictObject({
      name: z.string(),
      place: z.string().describe('`agent`, `.agents`, `.claude`, `user` or `bundled`.'),
      folder: z.string().describe('Where its files are, read-only; empty where the sandbox cannot show them.'),
      files: z.array(z.string()),
    }),
    example: { name: 'skill-writing', file: '' },
    tier: 'read_only',
    right: 'skill.use',
    effect: 'none',
    audience: ['model', 'terminal'],
    // The person trusts what is opened.
    labels: { adds: [], sink: false },
    timeoutMs: 60_000,
    async run({ name, file }, context) {
      const opened = await openSkill(name, userOf(context, deps.agent), deps)
      const { skill, inside, files } = opened
      const output = { name: skill.name, place: skill.place, folder: inside, files: files.map(({ path }) => path) }
      return { output, text: file === '' ? await instructionsOf(opened, deps.countTokens) : fileText(opened, file) }
    },
  })
}

async function instructionsOf({ skill, body, files, inside, head }: OpenedSkill, countTokens: CountTokens): Promise<string> {
  const others = files.map(({ path }) => path).filter((path) => !/^skill\.md$/i.test(path))
  const { text, lines } = await shownBody(body, countTokens)
  const reading = `skill_open with \`file\`${inside === '' ? '' : `, or at ${inside} (read-only)`}`
  return [
    `Skill ${skill.name}`,
    ...(others.length > 0 ? [`Its other files, by ${reading}: ${others.join(', ')}`] : []),
    ...(inside !== '' && others.some(isScript) ? ['Its scripts run by skill_run.'] : []),
    ...(head.compatibility === '' ? [] : [`Needs: ${head.compatibility}`]),
    '',
    text,
    ...(lines === null ? [] : [`(The first ${lines} lines. The rest is in SKILL.md, by ${reading}.)`]),
  ].join('\n')
}

function fileText(opened: OpenedSkill, path: string): string {
  const file = fileOf(opened, path)
  const text = file.content.length <= maxFileBytes ? textIn(file.content) : null
  if (text !== null) return text
  const { inside } = opened
  return `${file.path} has ${file.content.length} bytes and is ${textIn(file.content) === null ? 'no text' : 'too long to be shown'}.${inside === '' ? '' : ` It is at ${inside}/${file.path}.`}`
}

function searchCall(deps: AgentCallDeps): Call {
  return defineCall({
    name: 'skill.search',
    reaches: { kind: 'covered' },
    summary: 'Finds skills by words.',
    input: z.strictObject({ query: z.string().min(1).max(500).meta(evident('Words of the task.')) }),
    output: z.strictObject({ skills: z.array(z.strictObject({ name: z.string(), description: z.string() })) }),
    example: { query: 'fill in a PDF form' },
    tier: 'read_only',
    right: 'skill.use',
    effect: 'none',
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    rare: true,
    timeoutMs: 30_000,
    async run({ query }, context) {
      const found = searchSkills(await deps.catalog.usable(userOf(context, deps.agent)), query)
      const skills = found.map(({ name, description }) => ({ name, description }))
      return { output: { skills }, text: skills.map(({ name, description }) => `- ${name}: ${description}`).join('\n') || 'No skill fits.' }
    },
  })
}

type RunInput = z.infer<typeof runInput>

type RunOutput = z.infer<typeof runOutput>

const withoutNul = z
  .string()
  .max(32_768)
  .regex(/^[^\0]*$/, 'must not hold a NUL character')

const runInput = z.strictObject({
  name: skillName.meta(evident('Name of the skill.')),
  script: z.string().min(1).max(500).meta(evident('Its file, relative to the folder of the skill.')),
  args: z.array(withoutNul).max(200).default([]).meta(evident('Arguments; nothing in them is interpreted.')),
  timeout_s: z
    .int()
    .min(1)
    .max(maxScriptSeconds)
    .default(120)
    .meta(evident(`At most ${maxScriptSeconds}.`)),
})

const runOutput = z.strictObject({ exit_code: z.int().nullable(), timed_out: z.boolean(), output: z.string() })

function runCall(deps: AgentCallDeps): Call {
  return defineCall({
    name: 'skill.run',
    summary: 'Runs a script of a skill in a sandbox of its own, with no more rights than the skill allows, in /shared.',
    input: runInput,
    output: runOutput,
    example: { name: 'pdf-forms', script: 'scripts/fields.py', args: ['/shared/form.pdf'], timeout_s: 60 },
    tier: 'privileged',
    right: 'shell.run',
    files: 'workspace',
    effect: 'once',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: false },
    rare: true,
    starts: ({ script, args }): StartedProgram => ({
      shell: commandOf(script, script, args).join(' '),
      binary: '',
      args: [],
      env: [],
      cwd: '/shared',
    }),
    timeoutMs: (maxScriptSeconds + 60) * 1_000,
    run: (input, context) => runScript(input, context, deps),
  })
}

const noServers: Pick<Sandbox, 'serve'> = {}

/** By the end of the name, the program that runs it; what has none must be a program itself. */
const interpreters: Readonly<Record<string, string>> = {
  py: 'python3',
  js: 'node',
  mjs: 'node',
  cjs: 'node',
  sh: 'sh',
  bash: 'bash',
  rb: 'ruby',
  pl: 'perl',
}

const extensionOf = (path: string): string => /\.([a-z]+)$/.exec(path)?.[1] ?? ''

const isScript = (path: string): boolean => path.startsWith('scripts/') || Object.hasOwn(interpreters, extensionOf(path))

function commandOf(script: string, path: string, args: readonly string[]): readonly string[] {
  const extension = extensionOf(script)
  return [...(Object.hasOwn(interpreters, extension) ? [interpreters[extension] ?? ''] : []), path, ...args]
}

async function runScript({ name, script, args, timeout_s: seconds }: RunInput, context: CallContext, deps: AgentCallDeps) {
  const opened = await openSkill(name, userOf(context, deps.agent), deps)
  const { skill, inside, folder } = opened
  const file = fileOf(opened, script)
  const { branch } = context.caller
  const { serve } = branch === undefined ? deps.sandbox : ((await deps.sandbox.branches?.open(branch)) ?? noServers)
  if (folder === '' || serve === undefined)
    throw new OxbowError('sandbox_missing', 'This sandbox cannot run scripts of skills.', {
      hint: 'Follow the instructions of the skill without its scripts. On Linux sandbox.tier = "process", "container" and "micro_vm" (QEMU) run them.',
    })
  const [command = '', ...rest] = commandOf(file.path, `${inside}/${file.path}`, args)
  if (command === `${inside}/${file.path}` && !file.executable)
    throw new OxbowError('bad_input', `${file.path} is no program, and the end of its name names none.`, { hint: 'Open it and follow it.' })
  const rights = scriptRights(context.caller, opened.head.allowedTools, [command, ...rest])
  if (!rights.run)
    throw new OxbowError('denied', `${file.path} of the skill ${skill.name} may not run: ${rights.refusal}.`, {
      hint: 'The person decides: `allowed-tools` in its SKILL.md, and the rights of the agent.',
    })
  const writable = rights.files === 'write'
  const folders = rights.files === 'none' ? [] : ['/shared', ...deps.mounts().map((mount) => `/shared/${mount}`)]
  const program: ServerProgram = {
    command,
    args: rest,
    env: { SKILL_DIR: inside },
    programFolder: folder,
    programAt: inside,
    cwd: rights.files === 'none' ? '/tmp' : '/shared',
    folders: folders.map((path) => ({ path, writable })),
    pass: null,
  }
  const output = await context.whileProgram({ branch, folders }, async () => outcomeOf(await serve(program), context, seconds))
  const end = output.timed_out ? `stopped after ${seconds} s` : `exit code ${output.exit_code ?? 'unknown'}`
  return { output, text: `${output.output.trimEnd()}\n(${end})`.trimStart(), ok: output.exit_code === 0 && !output.timed_out }
}

async function outcomeOf(process: ServerProcess, { signal, progress }: CallContext, seconds: number): Promise<RunOutput> {
  const kept: Buffer[] = []
  let bytes = 0
  let isCut = false
  const take = (chunk: Buffer): void => {
    const left = maxScriptOutputBytes - bytes
    if (chunk.length > left) isCut = true
    if (left > 0) kept.push(chunk.subarray(0, left))
    bytes += Math.min(chunk.length, Math.max(0, left))
    progress(chunk.toString())
  }
  process.input.end()
  process.output.on('data', take).resume()
  process.errors.on('data', take).resume()
  let timedOut = false
  const end = (): void => void process.kill()
  const timer = setTimeout(() => {
    timedOut = true
    end()
  }, seconds * 1_000)
  signal.addEventListener('abort', end, { once: true })
  try {
    if (signal.aborted) end()
    await process.exited
    await drained(process)
    if (signal.aborted) throw new OxbowError('cancelled', 'The script was stopped.', { hint: 'Run it again if it is still needed.' })
    const output = `${Buffer.concat(kept).toString()}${isCut ? `\n(the rest is cut off after ${maxScriptOutputBytes} bytes)` : ''}`
    return { exit_code: process.exitCode?.() ?? null, timed_out: timedOut, output }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
    await process.kill()
  }
}

/** What was written last may arrive behind the end. */
async function drained({ output, errors }: ServerProcess): Promise<void> {
  const late = new Promise((resolve) => setTimeout(resolve, lateOutputMs).unref())
  const ends = [output, errors].map((stream) =>
    stream.readableEnded ? Promise.resolve() : new Promise((resolve) => stream.once('close', resolve)),
  )
  await Promise.race([Promise.all(ends), late])
}

const lateOutputMs = 300
