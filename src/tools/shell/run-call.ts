/**
 * Runs one program with its arguments, without a shell: what an argument holds is never interpreted. Which programs, the allow list of
 * `[exec]` says, at the gate. In the sandbox, without network, with an environment of its own, and ended with all its processes.
 */
import { z } from 'zod'
import { defineCall, evident } from '../../protocol/index.ts'
import { commandGraceMs, maxCommandSeconds, maxEnvironmentVariables, maxProgramArguments } from '../limits.ts'
import { execArguments, execFields, runCommand } from './exec-call.ts'

/** What a shell would interpret, and what would name a file, is no name of a program. */
const binaryForm = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$/

const { cwd, stdin, timeout_s } = execArguments
const withoutNul = z
  .string()
  .max(32_768)
  .regex(/^[^\0]*$/, 'must not hold a NUL character')

export const execRun = defineCall({
  name: 'exec.run',
  argv: 'args',
  summary: 'Runs one listed program without a shell: arguments reach it as they are.',
  input: z.strictObject({
    binary: z
      .string()
      .regex(binaryForm, 'must be the bare name of a program: no path, and none of the characters of a shell')
      .meta(evident('Name of the program, without a path.')),
    args: z.array(withoutNul).max(maxProgramArguments).default([]).meta(evident('Its arguments; nothing in them is interpreted.')),
    cwd,
    env: z
      .record(
        z
          .string()
          .max(100)
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable'),
        withoutNul,
      )
      .refine((env) => Object.keys(env).length <= maxEnvironmentVariables, `at most ${maxEnvironmentVariables} variables`)
      .default({})
      .meta(evident('Variables to set, of those that `exec.env` allows. It inherits none.')),
    stdin,
    timeout_s,
  }),
  output: z.strictObject(execFields),
  example: { binary: 'git', args: ['log', '--oneline'], cwd: '/shared', env: {}, stdin: '', timeout_s: 60 },
  tier: 'privileged',
  right: 'exec.run',
  files: 'workspace',
  effect: 'once',
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: false },
  timeoutMs: maxCommandSeconds * 1000 + commandGraceMs,
  starts: ({ binary, args, env, cwd: folder }) => ({ shell: null, binary, args, env: Object.keys(env), cwd: folder }),
  run: ({ binary, args, env, ...input }, context) =>
    runCommand({ ...input, command: '', program: { argv: [binary, ...args], env } }, context, 'work'),
})
