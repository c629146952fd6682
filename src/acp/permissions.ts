/** Approvals in the editor: the question with its exact input, rules that could be kept, and what the person's choice means. */
import type { PermissionOption, RequestPermissionRequest, RequestPermissionResponse, ToolCallUpdate } from '@agentclientprotocol/sdk'
import { exactInput, whyAsked, writtenOut } from '../terminal/index.ts'
import { parseObject, truncate } from '../base/index.ts'
import type { InputOf, OutputOf, PendingApproval } from '../protocol/index.ts'
import { maxOfferedRules, maxShownChars } from './limits.ts'
import type { AcpPorts, Gateway } from './ports.ts'
import { fencedCode, textContent, viewTool } from './tool-view.ts'

export type OfferedRule = OutputOf<'approval.list'>[number]['rules'][number]

/** @returns the rules that an approval could keep, the narrowest first; none where the guest cannot tell */
export async function rulesFor(pending: PendingApproval, gateway: Gateway): Promise<readonly OfferedRule[]> {
  const outcome = await gateway.call('approval.list', { session: pending.session })
  if (outcome.status !== 'ok') return []
  return (outcome.output.find(({ call }) => call === pending.call)?.rules ?? []).slice(0, maxOfferedRules)
}

export function permissionRequest(
  pending: PendingApproval,
  rules: readonly OfferedRule[],
  ports: Pick<AcpPorts, 'ownPath'>,
): RequestPermissionRequest {
  const options: PermissionOption[] = [
    { optionId: 'allow', kind: 'allow_once', name: 'Allow' },
    ...rules.map(({ scope, text }): PermissionOption => ({
      optionId: `rule:${scope}`,
      kind: 'allow_always',
      name: `Always: ${writtenOut(truncate(text, 300))}`,
    })),
    { optionId: 'reject', kind: 'reject_once', name: 'Reject' },
  ]
  return { sessionId: pending.session, toolCall: toolCallOf(pending, ports), options }
}

/** The call that the editor shows already, with the exact input in question. */
function toolCallOf(pending: PendingApproval, ports: Pick<AcpPorts, 'ownPath'>): ToolCallUpdate {
  const asked = pending.name === 'client.ask' ? parseObject(pending.input) : null
  const name = typeof asked?.['tool'] === 'string' ? asked['tool'] : pending.name
  const input = typeof asked?.['arguments'] === 'string' ? asked['arguments'] : pending.input
  const { content, ...view } = viewTool(name, input, ports)
  const exact = `${fencedCode(truncate(exactInput(input), maxShownChars))}${writtenOut(whyAsked(pending.reason))}`
  return {
    ...view,
    toolCallId: typeof asked?.['call'] === 'string' ? asked['call'] : pending.call,
    status: 'pending',
    content: [...content, textContent(exact)],
  }
}

/** The answer to a question, without the call that it is for. */
export type Decision = Omit<InputOf<'call.decide'>, 'call'>

/** An answer that was not offered allows nothing. */
export function decisionOf({ outcome }: RequestPermissionResponse, rules: readonly OfferedRule[]): Decision {
  if (outcome.outcome === 'cancelled') return { allow: false, reason: 'The person closed the question.' }
  if (outcome.optionId === 'allow') return { allow: true }
  const rule = rules.find(({ scope }) => outcome.optionId === `rule:${scope}`)
  if (rule === undefined) return { allow: false }
  return { allow: true, remember: { scope: rule.scope, rule: rule.id, labels: true } }
}
