/** What a person does with an agent that runs: pause it, write to it, give it more budget. */
import { MessageSquare, Pause, Play } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { AgentLine } from '../../../../src/terminal/index.ts'
import { useAction } from '../../data/calls.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'
import { ProblemLine } from '../../ui/states.tsx'

interface AgentControlsProps {
  readonly agent: AgentLine
  readonly onChanged: () => void
}

export function AgentControls({ agent, onChanged }: AgentControlsProps): ReactNode {
  const [isOpen, setOpen] = useState(false)
  const { run, failure } = useAction()
  const { id, name } = agent
  const isPaused = agent.state === 'paused'
  const turn = async (): Promise<void> => {
    await run(isPaused ? 'agent.resume' : 'agent.pause', { agent: id })
    onChanged()
  }
  return (
    <>
      <IconButton
        icon={isPaused ? <Play /> : <Pause />}
        size="s"
        label={isPaused ? `Let ${name} go on` : `Pause ${name} and those below it`}
        onClick={() => void turn()}
      />
      <IconButton icon={<MessageSquare />} size="s" label={`Write to ${name}`} onClick={() => setOpen(true)} />
      <ProblemLine failure={failure} />
      <Dialog title={name} isOpen={isOpen} onClose={() => setOpen(false)}>
        <Message agent={agent} onDone={() => setOpen(false)} />
        {agent.left !== null && <Raise agent={agent} onChanged={onChanged} />}
      </Dialog>
    </>
  )
}

function Message({ agent, onDone }: { readonly agent: AgentLine; readonly onDone: () => void }): ReactNode {
  const [text, setText] = useState('')
  const { run, isBusy, failure } = useAction()
  const send = async (): Promise<void> => {
    if ((await run('agent.send', { to: agent.id, text })) !== undefined) onDone()
  }
  return (
    <>
      <TextArea label="Message" hint="It reads it at its next step." value={text} onChange={(event) => setText(event.target.value)} />
      <ProblemLine failure={failure} />
      <Button variant="primary" isBusy={isBusy} disabled={text.trim() === ''} onClick={() => void send()}>
        Send
      </Button>
    </>
  )
}

/** Out of the budgets above it. */
function Raise({ agent, onChanged }: AgentControlsProps): ReactNode {
  const [tokens, setTokens] = useState('')
  const { run, isBusy, failure } = useAction()
  const raise = async (): Promise<void> => {
    if ((await run('agent.raise', { agent: agent.id, tokens: Number(tokens) })) === undefined) return
    setTokens('')
    onChanged()
  }
  return (
    <>
      <TextField
        label="More tokens"
        hint="Out of the budgets of whoever started it."
        type="number"
        min={1}
        value={tokens}
        onChange={(event) => setTokens(event.target.value)}
      />
      <ProblemLine failure={failure} />
      <Button isBusy={isBusy} disabled={!/^[1-9]\d*$/.test(tokens)} onClick={() => void raise()}>
        Raise
      </Button>
    </>
  )
}
