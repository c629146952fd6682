/** Asks the person whether agents may work in the folder that the editor has open, the first time that a message is sent from there. */
import { plainLine } from '../terminal/index.ts'
import { toFailure, failureSentences } from '../base/index.ts'
import type { Editor } from './editor.ts'
import type { GuestLink } from './guest-link.ts'
import type { AcpPorts } from './ports.ts'

interface FolderDeps {
  readonly editor: Editor
  readonly link: GuestLink
  readonly ports: Pick<AcpPorts, 'addFolder' | 'showFolder' | 'guestPath' | 'log'>
}

/**
 * @returns the folder's path for agents, who see it; empty if the person wants to work without it
 * @throws OxbowError if they cannot see it: a turn that was meant for it must not run somewhere else
 */
export async function askForFolder(
  session: string,
  folder: string,
  { editor, link, ports }: FolderDeps,
  signal: AbortSignal,
): Promise<string> {
  const known = ports.guestPath(folder)
  if (known !== undefined) {
    await ports.showFolder(known, await link.gateway())
    return known
  }
  const shown = plainLine(folder, 300)
  const toolCallId = `folder:${session}`
  const title = `Let Oxbow's agents read and change everything in ${shown}`
  editor.update(session, { sessionUpdate: 'tool_call', toolCallId, title, kind: 'other', status: 'pending' })
  const end = (status: 'completed' | 'failed', text: string): void =>
    editor.update(session, {
      sessionUpdate: 'tool_call_update',
      toolCallId,
      status,
      content: [{ type: 'content', content: { type: 'text', text } }],
    })
  try {
    const options = [
      { optionId: 'allow', kind: 'allow_always' as const, name: 'Allow, until `oxbow folder remove`' },
      { optionId: 'reject', kind: 'reject_once' as const, name: 'No: work without it' },
    ]
    const { outcome } = await editor.ask({ sessionId: session, toolCall: { toolCallId, title, kind: 'other' }, options }, signal)
    if (outcome.outcome !== 'selected' || outcome.optionId !== 'allow') {
      end('failed', `Agents do not see ${shown}. \`oxbow folder add ${shown}\` changes that.`)
      return ''
    }
    const path = ports.addFolder(folder)
    await ports.showFolder(path, await link.gateway())
    end('completed', `Agents see it as ${path}.`)
    return path
  } catch (error) {
    const { message, hint } = toFailure(error, 'tool_failed', `On the command line: oxbow folder add ${shown}`)
    ports.log(message)
    end('failed', `Agents do not see ${shown}: ${failureSentences({ message, hint })}`)
    throw error
  }
}
