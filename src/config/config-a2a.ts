/**
 * The part of the configuration that is about agents and A2A: which agents other programs may send tasks to, and which agents of others
 * this one knows. `oxbow remotes add` takes the same settings.
 */
import { z } from 'zod'
import { wrongRights } from '../protocol/index.ts'

const skill = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,49}$/, 'must have up to 50 lower-case letters, digits, - and _'),
  name: z.string().min(1).max(100),
  description: z.string().min(1).max(1_000),
  tags: z.array(z.string().min(1).max(50)).max(20).default([]),
  examples: z.array(z.string().max(1_000)).max(10).default([]),
})

const published = z.strictObject({
  description: z.string().min(1).max(2_000).describe('What the agent does, for people and for other people’s agents.'),
  instructions: z.string().max(20_000).default('').describe('Added to its system prompt.'),
  model: z.string().max(200).default('').describe('Model of its tasks. Empty: the configured one.'),
  rights: z
    .array(z.string().max(600))
    .max(100)
    .superRefine((rights, context) => {
      const wrong = wrongRights(rights)
      if (wrong !== '') context.addIssue(wrong)
    })
    .default([])
    .describe('Rights of its tasks, of those in `agent.rights`. Default: none, so that it can only answer.'),
  skills: z.array(skill).max(50).default([]).describe('Skills that its card names. Default: one with the description.'),
})
export type PublishedAgent = z.infer<typeof published>

export const remoteAgent = z.strictObject({
  url: z
    .string()
    .max(2_000)
    .refine((url) => /^https?:$/.test(URL.parse(url)?.protocol ?? ''), 'must be an http or https URL')
    .describe('Address of its card; an address without a path means `/.well-known/agent-card.json`.'),
  headers: z
    .record(z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,100}$/, 'must be the name of a header'), z.string().max(4_000))
    .default({})
    .describe(
      'HTTP headers of every request to it, such as `Authorization`. `$NAME` is replaced by the secret or environment variable NAME.',
    ),
  allow: z
    .array(z.string().max(300))
    .max(100)
    .default([])
    .describe(
      'Hosts other than `url`’s at which it may be reached, as in `egress.allow`; also its own, if that is private or this machine.',
    ),
  timeout_s: z.int().min(1).max(86_400).default(600).describe('Time limit of one task in seconds.'),
})
export type RemoteAgent = z.infer<typeof remoteAgent>

/** A part of an address, of the name of a right and of a tool. */
const agentName = z.string().regex(/^[a-z][a-z0-9-]{0,23}$/, 'must have up to 24 lower-case letters, digits and -')

export const a2aConfig = z
  .strictObject({
    agents: z
      .record(agentName, published)
      .default({})
      .describe('Agents that programs with an API key may send tasks to, by name. Default: none.'),
    max_running: z.int().min(1).max(100).default(3).describe('Tasks of programs that run at once; others wait.'),
    remotes: z.record(agentName, remoteAgent).default({}).describe('Agents of others that speak A2A, by name.'),
  })
  .prefault({})
export type A2aConfig = z.infer<typeof a2aConfig>
