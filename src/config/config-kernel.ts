/** The part of the configuration that is about the core: turns, approvals, flow, secrets. The sections of services stand in their folders. */
import { z } from 'zod'
import { ownValue } from '../base/index.ts'
import { decisionOrder, otherwise, takesEffect, tighter } from './walls/config-keys.ts'

const decision = z.enum(decisionOrder).meta(tighter(decisionOrder))
export type Decision = z.infer<typeof decision>

const ownFlow = (what: string): z.ZodDefault<z.ZodNullable<typeof decision>> =>
  decision
    .nullable()
    .default(null)
    .describe(`Like \`flow.${what}\`, for this call only. Unset: \`flow.${what}\` applies.`)
    .meta({ ...tighter(decisionOrder), ...otherwise(`flow.${what}`) })

const pattern = z.string().min(1).max(500).optional()
const maxFlowRules = 200

const namesOne = (conditions: readonly string[]) => (rule: object) =>
  conditions.some((name) => ownValue(rule as Record<string, unknown>, name) !== undefined)

export const kernelConfig = {
  turn: z
    .strictObject({
      max_turns: z
        .int()
        .min(1)
        .max(1000)
        .default(100)
        .describe('Maximum model calls in one turn.')
        .meta({ ...tighter('lower'), ...takesEffect('live') }),
      time_limit_s: z
        .int()
        .min(1)
        .default(3_600)
        .describe('Time limit of one turn in seconds, not counting waits for approval.')
        .meta({ ...tighter('lower'), ...takesEffect('live') }),
      max_running: z
        .int()
        .min(1)
        .max(10_000)
        // Turns that run at once share commits: 64 sessions take a sixth less processor time than with 10, and no less with 64.
        .default(32)
        .describe('Turns of people and programs that run at once; others wait in order. One that waits for an approval does not count.')
        .meta(tighter('lower')),
    })
    .prefault({}),
  approval: z
    .strictObject({
      mode: z
        .enum(['manual', 'allow_list', 'auto'])
        .default('allow_list')
        .describe(
          '`manual`: every call that asks waits for a person. `allow_list`: learned rules answer first. `auto`: moreover, tiers do not ask; only calls and rights that are named here do.',
        )
        .meta(tighter(['auto', 'allow_list', 'manual'])),
      read_only: decision.default('allow').describe('For a model’s calls that change nothing.'),
      side_effecting: decision.default('allow').describe('For a model’s calls that change the workspace.'),
      privileged: decision.default('ask').describe('For a model’s calls that run programs or have effects outside the workspace.'),
      rights: z.record(z.string(), decision).default({}).describe('By right, e.g. `"file.write" = "ask"`. Takes precedence over the tier.'),
      calls: z
        .record(z.string(), decision)
        .default({})
        .describe('By call name, e.g. `"file.delete" = "deny"`. Takes precedence over the right. `deny` at any level wins.'),
      expire_s: z
        .int()
        .min(0)
        .max(2_000_000)
        .default(0)
        .describe('Seconds after which an approval that waits is refused, with the event `approval_expiring` before. 0: never.'),
      two_person: z
        .array(z.string())
        .default([])
        .describe('Calls that two different people must allow, or the terminal and an API key; learned rules do not apply to them.')
        .meta(tighter('more')),
      ask_after_refusals: z
        .int()
        .min(0)
        .max(20)
        .default(3)
        .describe(
          'Refusals of an agent’s calls in a row, for want of a right or of a program on the list, after which the person is asked once whether those calls may run; also after 20 in a session. 0: never.',
        ),
    })
    .meta(takesEffect('live'))
    .prefault({}),
  flow: z
    .strictObject({
      untrusted: decision
        .default('allow')
        .describe(
          'For a model’s calls that send data out, when the conversation contains untrusted content (files, command output, the web).',
        ),
      private: decision.default('allow').describe('The same, when it contains private data (the vault, private memories).'),
      both: decision.default('ask').describe('The same, when it contains both. The strictest of the three that apply counts.'),
      irreversible: decision
        .default('ask')
        .describe(
          'For a model’s calls that nobody can take back, when the conversation contains untrusted content: an effect outside (a mail, a payment, a form), a schedule, forgotten memories, deleting or moving files that have no versions.',
        ),
      new_host: decision
        .default('ask')
        .describe(
          'For a model’s calls that name a host which no agent has reached before, when the conversation contains untrusted content. A host is asked about once; hosts in `egress.allow` are known.',
        )
        .meta({ ...tighter(decisionOrder), ...takesEffect('restart') }),
      sinks: z
        .record(z.string(), z.strictObject({ untrusted: ownFlow('untrusted'), private: ownFlow('private'), both: ownFlow('both') }))
        .default({})
        .describe(
          'For single calls, e.g. `[flow.sinks."web.fetch"]`. Files sent to the person (`media.send`) are subject only to rules set here.',
        ),
      source: z
        .array(
          z
            .strictObject({
              call: pattern.describe('Name of a call, e.g. `mail.*`.'),
              path: pattern.describe('A file or folder, e.g. `/shared/finance/**`.'),
              host: pattern.describe('A host, e.g. `*.bank.example`.'),
              server: pattern.describe('A server of tools (MCP).'),
              agent: pattern.describe('The agent that calls, or the one that answers.'),
              labels: z
                .array(z.enum(['untrusted', 'private']))
                .min(1)
                .describe('Added to what is read.'),
            })
            .refine(namesOne(['call', 'path', 'host', 'server', 'agent']), 'must name call, path, host, server or agent')
            .refine((rule) => rule.path === undefined || Object.keys(rule).length === 2, 'a rule with a path has no other condition'),
        )
        .max(maxFlowRules)
        .default([])
        .describe('Rules that label what is read, in addition to the calls’ labels: `[[flow.source]]`. All conditions of a rule must hold.')
        .meta({ ...tighter('more'), ...takesEffect('restart') }),
      sink: z
        .array(
          z
            .strictObject({
              call: pattern.describe('Name of a call.'),
              host: pattern.describe('A host that receives data.'),
              server: pattern.describe('A server of tools (MCP) that receives data.'),
              model: pattern.describe('`remote`, `local`, or the name of a model, `provider/name`, that receives the conversation.'),
              effect: z.enum(['delete', 'overwrite', 'schedule', 'delegate']).optional().describe('What the call does.'),
              untrusted: ownFlow('untrusted'),
              private: ownFlow('private'),
              both: ownFlow('both'),
            })
            .refine(namesOne(['call', 'host', 'server', 'model', 'effect']), 'must name call, host, server, model or effect'),
        )
        .max(maxFlowRules)
        .default([])
        .describe(
          'Rules about places and effects: `[[flow.sink]]`. All conditions of a rule must hold; of rules that match, the strictest counts.',
        )
        .meta({ ...tighter('more'), ...takesEffect('restart') }),
    })
    .meta(takesEffect('live'))
    .prefault({}),
  access: z
    .strictObject({
      role: z
        .enum(['user', 'superuser', 'admin'])
        .default('admin')
        .describe(
          'Role of the terminals of the guest’s own user: `user` can neither change access nor see the audit; `superuser` cannot change access.',
        )
        .meta(tighter(['admin', 'superuser', 'user'])),
    })
    .prefault({}),
  reliability: z
    .strictObject({
      max_attempts: z
        .int()
        .min(1)
        .max(20)
        .default(3)
        .describe('Tries of a request with one model, the first included; then the next of `model.fallback` is asked.'),
      backoff_base_ms: z
        .int()
        .min(1)
        .max(60_000)
        .default(250)
        .describe('Longest wait before the second try, in milliseconds; each next one may be twice as long. A wait is random.'),
      backoff_max_ms: z.int().min(1).max(600_000).default(8_000).describe('Longest wait between two tries, in milliseconds.'),
      retry_after_max_s: z
        .int()
        .min(0)
        .max(3_600)
        .default(30)
        .describe('Longest wait that a service may ask for. Where it asks for more, the next model is asked, or the failure is reported.'),
      first_token_s: z.int().min(1).max(3_600).default(300).describe('Seconds from a try to its first output.'),
      answer_s: z.int().min(1).max(1_700).default(1_200).describe('Seconds for one answer, with all its tries and waits.'),
    })
    .refine((section) => section.backoff_base_ms <= section.backoff_max_ms, 'backoff_base_ms must be at most backoff_max_ms')
    .prefault({}),
  secrets: z
    .record(
      z.string(),
      z.strictObject({
        calls: z
          .array(z.string())
          .default([])
          .describe('Calls that receive the value where their input has the handle, e.g. `shell.online`. Empty: none.')
          .meta(tighter('fewer')),
        hosts: z
          .array(z.string())
          .default([])
          .describe('Hosts that calls with network may send it to: `api.github.com`, `*.example.com:8443`, or `*` for any. Empty: none.')
          .meta(tighter('fewer')),
        env: z
          .string()
          .regex(/^(?:[A-Za-z_][A-Za-z0-9_]{0,127})?$/, 'must be the name of a variable')
          .default('')
          .describe('Variable in which commands of those calls find the value. Empty: none.'),
      }),
    )
    .default({})
    .describe('What a secret may be used for, by its name in `[secret:NAME]`. `oxbow secret allow` writes this table.'),
}

type KernelConfig = { [Section in keyof typeof kernelConfig]: z.infer<(typeof kernelConfig)[Section]> }

/** The section `[flow]`. */
export type FlowPolicy = KernelConfig['flow']

/** The decision on a call that sends data out, by the labels of its conversation. The strictest one that applies counts. */
export type FlowRules = Pick<FlowPolicy, 'untrusted' | 'private' | 'both'>
