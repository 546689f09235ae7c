/** An administrator's preview of an agency: whose it is, on every screen, and how to leave it. */
import "../kit/style.js";
import { api, refreshUser } from "../account.js";
import { isAdmin } from "../areas.js";
import { useAction } from "../kit/action.js";
import { type Kind, tellChange, useLoad } from "../kit/load.js";
import { ProblemLine } from "../kit/parts.js";
import { go } from "../router.js";
import { state } from "../state.js";
import { t } from "../texts.js";

/** What the screens of an agency show. */
const KINDS: Kind[] = ["agency", "changelogs", "comments", "contacts", "events", "issues", "users"];

/** Shows this administrator an agency as its people see it, in all tabs; `null` ends that. */
export async function preview(agencyId: number | null): Promise<void> {
  await api.admin.preview(agencyId);
  await refreshUser();
  for (const kind of KINDS) tellChange(kind);
}

export function PreviewStrip() {
  const { user } = state;
  return user && isAdmin(user) && user.agencyId !== null ? <Strip key={user.agencyId} /> : null;
}

function Strip() {
  // Another tab may have left the preview, or gone on to another agency.
  const agency = useLoad("preview", ["agency"], async (signal) => {
    const agency = await api.agency({ signal });
    if (agency?.id !== state.user?.agencyId) await refreshUser();
    return agency;
  });
  const { busy, problem, run } = useAction();
  const leave = () =>
    run(async () => {
      const left = state.user?.agencyId;
      await preview(null);
      go(`/console/agencies/${left}`);
    });
  return (
    <aside class="preview" aria-label={t("preview.label")}>
      <p class="clamped">{t("preview.strip", { name: agency.data?.name ?? "" })}</p>
      <button type="button" disabled={busy} onClick={leave}>
        {t("preview.leave")}
      </button>
      {problem && <ProblemLine text={problem} />}
    </aside>
  );
}
