/**
 * Installing a plugin as `oxbow plugin add` does: what it is and may do is shown, exactly these files are approved, the guest loads it, and one
 * that does not start is not kept.
 */
import { type ReactNode, useEffect, useRef, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { ownValue } from '../../../../src/base/index.ts'
import { alikeText, grantPlugin, installPlugin, pluginParts } from '../../../../src/terminal/index.ts'
import { navigate } from '../../app/router.tsx'
import { type Action, useAction } from '../../data/calls.ts'
import { useApplyConfig } from '../../data/settings.ts'
import { useSay } from '../../shelf/said.tsx'
import { openAt } from '../../shelf/shelf.tsx'
import { Parts } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Switch, TextArea, TextField } from '../../ui/field.tsx'
import { plural } from '../../ui/numbers.ts'
import { NoticeBar, ProblemLine } from '../../ui/states.tsx'

type Staged = OutputOf<'plugin.look'>
type Proposal = OutputOf<'plugin.propose'>

interface InstallPluginProps {
  /** Null: closed; empty: the person names one. */
  readonly source: string | null
  readonly onClose: () => void
  readonly onDone: () => void
}

export function InstallPlugin({ source, onClose, onDone }: InstallPluginProps): ReactNode {
  const [typed, setTyped] = useState(source ?? '')
  const [staged, setStaged] = useState<Staged | null>(null)
  const [isGranted, setGranted] = useState(true)
  const [proposal, setProposal] = useState<Proposal | null>(null)
  const [manifest, setManifest] = useState('')
  const [problem, setProblem] = useState('')
  const { run, isBusy, failure } = useAction()
  const apply = useApplyConfig()
  const say = useSay()
  const look = async (from: string): Promise<void> => {
    setProblem('')
    const found = await run('plugin.look', { source: from.trim(), ...(manifest !== '' && { manifest }) })
    setStaged(found ?? null)
  }
  const propose = async (): Promise<void> => {
    const made = await run('plugin.propose', { source: typed.trim() })
    setProposal(made ?? null)
    setManifest(made?.manifest ?? '')
  }
  const isBegun = useRef(false)
  useEffect(() => {
    if (source === null || source === '' || isBegun.current) return
    isBegun.current = true
    void look(source)
  })
  const install = async (plugin: Staged): Promise<void> => {
    const said = await installed(plugin, { source: typed.trim(), ...(manifest !== '' && { manifest }) }, run)
    if (said === undefined) return
    if (said !== '') return setProblem(said)
    // An update changes nothing about who may use it.
    if (plugin.installed === '' && isGranted && (await run('plugin.change', { plugin: plugin.plugin, change: 'grant' })) !== undefined)
      await apply.restart()
    say(`Installed ${plugin.plugin} ${plugin.version}.`)
    onClose()
    onDone()
    navigate(openAt('/plugins', plugin.plugin))
  }
  const { question, declined } = staged === null ? { question: 'Install a plugin', declined: '' } : installPlugin(staged)
  const decline = (): void => {
    if (declined !== '') say(declined)
    onClose()
  }
  const isWorking = isBusy || apply.isBusy
  const actions = <Actions {...{ staged, typed, isWorking, look, install }} onCancel={onClose} onDecline={decline} />
  return (
    <Dialog title={question} isOpen={source !== null} onClose={decline} isWide actions={actions}>
      {staged === null ? (
        <>
          <SourceField value={typed} onChange={setTyped} />
          {proposal !== null && <ManifestField proposal={proposal} value={manifest} onChange={setManifest} />}
        </>
      ) : (
        <WhatItIs staged={staged} isGranted={isGranted} onGrant={setGranted} />
      )}
      {problem !== '' && <NoticeBar tone="bad">{problem}</NoticeBar>}
      <ProblemLine failure={failure ?? apply.failure} />
      {failure?.code === 'approval_required' && staged === null && (
        <Button size="s" isBusy={isWorking} onClick={() => void propose()}>
          Propose a manifest
        </Button>
      )}
    </Dialog>
  )
}

interface ActionsProps {
  readonly staged: Staged | null
  readonly typed: string
  readonly isWorking: boolean
  readonly look: (from: string) => Promise<void>
  readonly install: (plugin: Staged) => Promise<void>
  readonly onCancel: () => void
  readonly onDecline: () => void
}

function Actions({ staged, typed, isWorking, look, install, onCancel, onDecline }: ActionsProps): ReactNode {
  return staged === null ? (
    <>
      <Button onClick={onCancel}>Cancel</Button>
      <Button variant="primary" isBusy={isWorking} disabled={!isSource(typed)} onClick={() => void look(typed)}>
        Show what it is
      </Button>
    </>
  ) : (
    <>
      <Button onClick={onDecline}>No</Button>
      <Button variant="primary" isBusy={isWorking} disabled={staged.same} onClick={() => void install(staged)}>
        Install
      </Button>
    </>
  )
}

function SourceField({ value, onChange }: { readonly value: string; readonly onChange: (value: string) => void }): ReactNode {
  return (
    <TextField
      label="Where it is"
      hint="A folder or a tarball of this machine, as a whole path, or npm:NAME@VERSION. Nothing of it runs before you have approved it."
      placeholder="npm:@acme/oxbow-weather@1.2.0"
      spellCheck={false}
      autoComplete="off"
      value={value}
      problem={value === '' || isSource(value) ? '' : 'A path that begins with /, or npm:NAME@VERSION.'}
      onChange={({ target }) => onChange(target.value)}
    />
  )
}

interface ManifestFieldProps {
  readonly proposal: Proposal
  readonly value: string
  readonly onChange: (value: string) => void
}

/** What its files seem to need is more than it needs: a person takes away the rest. */
function ManifestField({ proposal: { files, bytes, found }, value, onChange }: ManifestFieldProps): ReactNode {
  return (
    <>
      <Parts
        parts={[
          [`${plural(files, 'file')}, ${Math.ceil(bytes / 1024)} KiB, without what it depends on. Its files name:`, []],
          ...Object.entries(found).flatMap(([what, names]) => (names.length === 0 ? [] : [[what, names] as const])),
        ]}
      />
      <TextArea
        label="Manifest"
        hint="A proposal. Remove what the plugin does not need; what stays is what you approve."
        rows={14}
        spellCheck={false}
        value={value}
        onChange={({ target }) => onChange(target.value)}
      />
    </>
  )
}

interface WhatItIsProps {
  readonly staged: Staged
  readonly isGranted: boolean
  readonly onGrant: (isGranted: boolean) => void
}

function WhatItIs({ staged, isGranted, onGrant }: WhatItIsProps): ReactNode {
  return (
    <>
      {staged.same && <NoticeBar tone="info">{`${staged.plugin} ${staged.version} is installed already, with the same files.`}</NoticeBar>}
      {staged.alike.map((other) => (
        <NoticeBar key={other} tone="warn">{`Beware: ${alikeText(staged.plugin, other)}.`}</NoticeBar>
      ))}
      <Parts parts={pluginParts(staged)} />
      {staged.installed === '' && (
        <Switch label={grantPlugin} isOn={isGranted} onChange={onGrant} hint="Oxbow restarts for it, within a second." />
      )}
    </>
  )
}

function isSource(text: string): boolean {
  return /^\/./.test(text.trim()) || /^npm:(?:@[^/]+\/)?[^@/]+@\d/.test(text.trim())
}

/** @returns why it is not kept; empty: it works, or is turned off; undefined: a call has failed, and the dialog says why */
async function installed(
  { plugin, hash, installed: before }: Staged,
  from: { readonly source: string; readonly manifest?: string },
  run: Action['run'],
): Promise<string | undefined> {
  if ((await run('plugin.install', { ...from, hash })) === undefined) return undefined
  const synced = await run('plugin.sync', {})
  const list = await run('plugin.installed', {})
  const isOn = list?.plugins.some((each) => each.plugin === plugin && each.enabled) ?? true
  // One that is turned off is not started to be tried.
  const info = isOn ? await run('plugin.info', { plugin }) : undefined
  const why = (synced && ownValue(synced.problems, plugin)) ?? info?.failure?.message ?? ''
  if (why === '') return ''
  await run('plugin.change', { plugin, change: 'revert' })
  await run('plugin.sync', before === '' ? { removed: [plugin] } : {})
  return before === '' ? `${plugin} is not installed. ${why}` : `${plugin} ${before} stays: ${why}`
}
