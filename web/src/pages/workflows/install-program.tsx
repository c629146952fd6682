/** Installing or updating a program as `oxbow program install` does: its rights are shown, and exactly these files are approved. */
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { navigate } from '../../app/router.tsx'
import { useAction } from '../../data/calls.ts'
import { useSay } from '../../shelf/said.tsx'
import { openAt } from '../../shelf/shelf.tsx'
import { PlainFile } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextField } from '../../ui/field.tsx'
import { NoticeBar, ProblemLine } from '../../ui/states.tsx'

type Package = OutputOf<'program.look'>

interface InstallProgramProps {
  /** The one that is updated; null: another one. */
  readonly program: string | null
  readonly onClose: () => void
  readonly onDone: () => void
}

export function InstallProgram({ program, onClose, onDone }: InstallProgramProps): ReactNode {
  const [source, setSource] = useState('')
  const [seen, setSeen] = useState<Package | null>(null)
  const { run, isBusy, failure } = useAction()
  const say = useSay()
  const ask = { source: source.trim(), ...(program !== null && { program }) }
  const look = async (): Promise<void> => setSeen((await run('program.look', ask)) ?? null)
  const install = async ({ hash, program: name, version }: Package): Promise<void> => {
    if ((await run('program.install', { ...ask, hash })) === undefined) return
    say(`Installed ${name} ${version}.`)
    onClose()
    onDone()
    navigate(openAt('/workflows/programs', name))
  }
  const title = seen === null ? (program === null ? 'Install a program' : `Update ${program}`) : `Install ${seen.program} ${seen.version}?`
  const actions =
    seen === null ? (
      <>
        <Button onClick={onClose}>Cancel</Button>
        <Button variant="primary" isBusy={isBusy} disabled={program === null && source.trim() === ''} onClick={() => void look()}>
          Show what it is
        </Button>
      </>
    ) : (
      <>
        <Button onClick={onClose}>No</Button>
        <Button variant="primary" isBusy={isBusy} disabled={seen.same || seen.problems.length > 0} onClick={() => void install(seen)}>
          Install
        </Button>
      </>
    )
  return (
    <Dialog title={title} isOpen onClose={onClose} isWide actions={actions}>
      {seen === null ? (
        <TextField
          label="Source"
          hint={`An absolute path of a folder, ARCHIVE.tgz#sha256=HASH, npm:NAME@VERSION or git+URL#TAG.${program === null ? '' : ' Empty: where it is from.'}`}
          value={source}
          onChange={({ target }) => setSource(target.value)}
        />
      ) : (
        <WhatItIs seen={seen} />
      )}
      <ProblemLine failure={failure} />
    </Dialog>
  )
}

function WhatItIs({ seen }: { readonly seen: Package }): ReactNode {
  const { description, source, may, added, installed, reasons, problems, difference, signed_by: signer, same } = seen
  return (
    <>
      <p>{description}</p>
      <p className="soft small">
        From {source}. {signer === '' ? 'Nobody has signed it.' : `Signed by the key ${signer}.`}
      </p>
      {same && <NoticeBar tone="info">It is installed already, with the same files.</NoticeBar>}
      <Lines title="It may" lines={may.length === 0 ? ['do nothing outside'] : may} />
      {installed !== '' && <Lines title={`It may, and ${installed} may not`} lines={added} />}
      <Lines title="Before you say yes" lines={reasons} />
      <Lines title="It cannot run" lines={problems} />
      {difference !== '' && <PlainFile name={`Changes since ${installed}`} text={difference} />}
    </>
  )
}

function Lines({ title, lines }: { readonly title: string; readonly lines: readonly string[] }): ReactNode {
  if (lines.length === 0) return null
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      <ul className="parts">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </section>
  )
}
