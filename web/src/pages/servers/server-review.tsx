/** What a server offers now, compared with what is approved; a person chooses the tools and says what each does. */
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { approveOffer, exactText, offersText, toolLines } from '../../../../src/terminal/index.ts'
import { ReviewButton } from '../../shelf/review-button.tsx'
import { Badge, type Tone } from '../../ui/layout.tsx'
import { plural } from '../../ui/numbers.ts'
import { TextDiff } from '../../ui/text-diff.tsx'
import './servers.css'

type Diff = OutputOf<'server.diff'>
type Tool = Diff['tools'][number]

interface ReviewServerProps {
  readonly server: string
  readonly isPrimary: boolean
  readonly onDone: () => void
}

/** What a person has unticked, or ticked beyond what is approved. */
type Chosen = Readonly<Record<'tools' | 'read_only' | 'no_sink', ReadonlySet<string>>>

const nothing: Chosen = { tools: new Set(), read_only: new Set(), no_sink: new Set() }

export function ReviewServer({ server, isPrimary, onDone }: ReviewServerProps): ReactNode {
  const [chosen, setChosen] = useState<Chosen>(nothing)
  const toggle = (what: keyof Chosen, tool: string): void => {
    const set = new Set(chosen[what])
    if (!set.delete(tool)) set.add(tool)
    setChosen({ ...chosen, [what]: set })
  }
  return (
    <ReviewButton<Diff>
      label={isPrimary ? 'Review and approve' : 'See what it offers'}
      isPrimary={isPrimary}
      agreement={approveOffer(server)}
      verb="Approve"
      look={async (run) => {
        const diff = await run('server.diff', { server })
        if (diff !== undefined) setChosen(startOf(diff))
        return diff
      }}
      agree={async ({ digest, tools }, run) => {
        const named = (what: keyof Chosen): string[] => tools.map(({ tool }) => tool).filter((tool) => chosen[what].has(tool))
        const wanted = named('tools')
        const kept = (what: keyof Chosen): string[] => named(what).filter((tool) => wanted.includes(tool))
        const approved = await run('server.approve', {
          server,
          digest,
          tools: wanted,
          read_only: kept('read_only'),
          no_sink: kept('no_sink'),
        })
        return approved && `Approved: ${plural(approved.approved.length, 'tool')}. Agents with the right mcp.${server} are offered them.`
      }}
      onDone={onDone}
    >
      {(diff) => <Offer diff={diff} chosen={chosen} onToggle={toggle} />}
    </ReviewButton>
  )
}

const canBeApproved = ({ now, problem }: Tool): boolean => now !== null && problem === ''

function startOf({ tools }: Diff): Chosen {
  const of = (which: (tool: Tool) => boolean): ReadonlySet<string> => new Set(tools.filter(which).map(({ tool }) => tool))
  return { tools: of(canBeApproved), read_only: of(({ read_only: isReadOnly }) => isReadOnly), no_sink: of(({ sink }) => !sink) }
}

interface OfferProps {
  readonly diff: Diff
  readonly chosen: Chosen
  readonly onToggle: (what: keyof Chosen, tool: string) => void
}

function Offer({ diff: { identity, instructions, offers, tools }, chosen, onToggle }: OfferProps): ReactNode {
  return (
    <>
      <Changed what="What runs" {...identity} />
      <Changed what="Instructions" {...instructions} />
      <Changed what="Other offers" approved={offersText(offers.approved)} now={offersText(offers.now)} />
      {tools.length === 0 && <p>It offers no tools.</p>}
      <ul className="server-tools" aria-label="Tools">
        {tools.map((tool) => (
          <ToolLine key={tool.tool} tool={tool} chosen={chosen} onToggle={onToggle} />
        ))}
      </ul>
    </>
  )
}

function Changed({ what, approved, now }: { readonly what: string; readonly approved: string; readonly now: string }): ReactNode {
  if (now === '' && approved === '') return null
  return (
    <section className="server-part" aria-label={what}>
      <h3>{what}</h3>
      {approved === now ? (
        <p className="server-text">{exactText(now)}</p>
      ) : (
        <TextDiff before={exactText(approved)} after={exactText(now)} />
      )}
    </section>
  )
}

const tones: Readonly<Record<Tool['state'], Tone>> = { new: 'warn', changed: 'warn', same: 'good', gone: 'neutral' }

function ToolLine({ tool: shown, chosen, onToggle }: { readonly tool: Tool } & Omit<OfferProps, 'diff'>): ReactNode {
  const { tool, state, problem, approved, now } = shown
  const isPossible = canBeApproved(shown)
  const isChosen = isPossible && chosen.tools.has(tool)
  return (
    <li className="server-tool">
      <div className="server-tool-head">
        <Tick label={exactText(tool)} isOn={isChosen} isOff={!isPossible} onChange={() => onToggle('tools', tool)} />
        <Badge tone={tones[state]}>{state}</Badge>
      </div>
      {problem !== '' && <p className="field-problem">It cannot be approved: {problem}</p>}
      {(approved !== null || now !== null) && (
        <details open={state === 'new' || state === 'changed'}>
          <summary>What it says of itself</summary>
          {state === 'changed' ? (
            <TextDiff before={textOf(approved)} after={textOf(now)} />
          ) : (
            <p className="server-text">{textOf(now ?? approved)}</p>
          )}
        </details>
      )}
      {isChosen && (
        <div className="server-marks">
          <Tick
            label="It changes nothing, and may be repeated"
            isOn={chosen.read_only.has(tool)}
            onChange={() => onToggle('read_only', tool)}
          />
          <Tick label="Nothing leaves this machine through it" isOn={chosen.no_sink.has(tool)} onChange={() => onToggle('no_sink', tool)} />
        </div>
      )}
    </li>
  )
}

interface TickProps {
  readonly label: string
  readonly isOn: boolean
  readonly isOff?: boolean
  readonly onChange: () => void
}

function Tick({ label, isOn, isOff = false, onChange }: TickProps): ReactNode {
  return (
    <label className="server-tick">
      <input type="checkbox" checked={isOn} disabled={isOff} onChange={onChange} />
      {label}
    </label>
  )
}

const textOf = (definition: Tool['now']): string => (definition === null ? '' : exactText(toolLines(definition).join('\n')))
