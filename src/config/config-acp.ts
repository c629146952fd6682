/** The part of the configuration that is about coding agents of others, which speak the Agent Client Protocol. `oxbow coders add` takes the same. */
import { z } from 'zod'

export const acpAgent = z.strictObject({
  description: z.string().max(500).default('').describe('What it is good at, for the agents that choose it.'),
  command: z
    .string()
    .min(1)
    .max(500)
    .describe(
      'Program to start in the sandbox: of the system, `node`, or a path below `/opt/server`. It speaks ACP on its standard streams.',
    ),
  args: z.array(z.string().max(4_000)).max(100).default([]).describe('Its arguments.'),
  program_folder: z
    .string()
    .max(1_000)
    .refine((path) => path === '' || path.startsWith('/'), 'must be an absolute path')
    .default('')
    .describe('Folder of the host where the program is installed. It is shown read-only at `/opt/server`.'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, 'must be the name of a variable'), z.string().max(4_000))
    .default({})
    .describe('Variables of the program. `$NAME` is replaced by the secret or environment variable NAME.'),
  allow: z
    .array(z.string().max(300))
    .max(100)
    .default([])
    .describe('Hosts that it may reach, as in `egress.allow`, such as its model’s. Without any it has no network.'),
  files: z
    .enum(['none', 'read', 'branch'])
    .default('branch')
    .describe(
      '`branch`: it works on a copy of the workspace, whose changes are merged as a diff; `read`: it reads the workspace; `none`: it sees no files.',
    ),
  timeout_s: z.int().min(1).max(86_400).default(1_800).describe('Time limit of one task in seconds, not counting waits for approval.'),
})
export type AcpAgent = z.infer<typeof acpAgent>

const coderName = z.string().regex(/^[a-z][a-z0-9-]{0,23}$/, 'must have up to 24 lower-case letters, digits and -')

export const acpConfig = z
  .strictObject({
    agents: z.record(coderName, acpAgent).default({}).describe('Coding agents that speak ACP, by name.'),
  })
  .prefault({})
