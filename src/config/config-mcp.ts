/** The part of the configuration that is about servers of tools, which speak MCP. `oxbow servers add` takes the same settings. */
import { z } from 'zod'

const variables = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, 'must be the name of a variable'), z.string().max(4_000))

export const mcpServer = z
  .strictObject({
    command: z
      .string()
      .max(500)
      .default('')
      .describe('Program to start in the sandbox: of the system, `node`, or a path below `/opt/server`. Empty for a server with `url`.'),
    args: z.array(z.string().max(4_000)).max(100).default([]).describe('Its arguments.'),
    program_folder: z
      .string()
      .max(1_000)
      .refine((path) => path === '' || path.startsWith('/'), 'must be an absolute path')
      .default('')
      .describe('Folder of the host where the program is installed. It is shown read-only at `/opt/server`.'),
    lock: z
      .string()
      .regex(/^(?:[0-9a-f]{64})?$/, 'must be 64 hexadecimal digits')
      .default('')
      .describe(
        'SHA-256 of `package-lock.json` in that folder; with another one the program is not started. `oxbow servers install` sets it.',
      ),
    url: z
      .string()
      .max(2_000)
      .refine((url) => url === '' || /^https?:$/.test(URL.parse(url)?.protocol ?? ''), 'must be an http or https URL')
      .default('')
      .describe('Address of a server that is reached over HTTP, instead of `command`.'),
    env: variables.default({}).describe('Variables of the program. `$NAME` is replaced by the secret or environment variable NAME.'),
    headers: z
      .record(z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,100}$/, 'must be the name of a header'), z.string().max(4_000))
      .default({})
      .describe('For `url`: additional HTTP headers. `$NAME` is replaced as in `env`.'),
    client_id: z
      .string()
      .max(2_000)
      .default('')
      .describe(
        'For `oxbow servers login`: the client id that Oxbow has there, or the https URL of a client metadata document. Empty: Oxbow registers itself.',
      ),
    client_secret: z.string().max(4_000).default('').describe('The secret of that client, as `$NAME`. Empty: none.'),
    folders: z
      .array(z.string().regex(/^\/shared(?:\/[^/\0:]{1,200})?(?::rw)?$/, 'must be /shared or /shared/NAME, with :rw to write'))
      .max(20)
      .default([])
      .describe(
        'Folders that the program sees: `/shared`, or `/shared/NAME` for a folder added by `oxbow folder add`. `:rw` lets it write.',
      ),
    allow: z
      .array(z.string().max(300))
      .max(100)
      .default([])
      .describe(
        'Hosts that the server may reach, as in `egress.allow`. A program has no network without any. For `url`, its own host need not be listed, unless it is private or this machine.',
      ),
    timeout_s: z.int().min(1).max(3_600).default(30).describe('Time limit of one call in seconds.'),
    sampling_tokens: z
      .int()
      .min(0)
      .max(100_000_000)
      .default(0)
      .describe('Tokens a day that the server may use of models; each question needs your approval. 0: it may ask none.'),
  })
  .refine(({ command, url }) => (command === '') !== (url === ''), 'needs either command or url')
export type McpServer = z.infer<typeof mcpServer>

/** A part of the name of a right and of tools. */
export const serverName: z.ZodString = z.string().regex(/^[a-z][a-z0-9-]{0,23}$/, 'must have up to 24 lower-case letters, digits and -')

export const mcpConfig = z
  .strictObject({
    servers: z.record(serverName, mcpServer).default({}).describe('Servers of tools that speak MCP, by name.'),
  })
  .prefault({})
