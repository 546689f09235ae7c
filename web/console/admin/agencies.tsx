import type { Agency } from "@mayday/client";
import { PersonText } from "../../ui/text.js";
import { api } from "../account.js";
import { useAction } from "../kit/action.js";
import { AskFirst } from "../kit/ask-first.js";
import { allOf, tellChange, useLoad } from "../kit/load.js";
import { Empty, Page, ProblemLine, Shown } from "../kit/parts.js";
import { notice } from "../live.js";
import { Sheet, Website } from "../people/sheet.js";
import { go } from "../router.js";
import { state } from "../state.js";
import { preview } from "./preview.js";
import { AGENCIES, Tabs } from "./tabs.js";
import { t } from "./texts.js";

/** Agencies that wait for approval come first, whenever they were registered: so the whole list is read. */
export function Agencies() {
  const agencies = useLoad("agencies", ["agencies"], (signal) =>
    allOf((page) => api.admin.agencies.list(page, { signal })),
  );
  return (
    <Page title={t("area.agencies")}>
      <Tabs shown="agencies" />
      <Shown of={agencies}>
        {(agencies) => (
          <>
            <section class="stack">
              <h2>{t("admin.waiting")}</h2>
              <List agencies={agencies.filter(({ approved }) => !approved)} empty={t("admin.none-waiting")} />
            </section>
            <section class="stack later">
              <h2>{t("admin.approved")}</h2>
              <List agencies={agencies.filter(({ approved }) => approved)} empty={t("admin.none-approved")} />
            </section>
          </>
        )}
      </Shown>
    </Page>
  );
}

function List({ agencies, empty }: { agencies: Agency[]; empty: string }) {
  if (agencies.length === 0) return <Empty>{empty}</Empty>;
  return (
    <ul class="people agencies">
      {agencies.map(({ id, name, address, website }) => (
        <li key={id}>
          <a href={`${AGENCIES}/${id}`}>
            <span class="name">
              <PersonText>{name}</PersonText>
            </span>
            <span class="faint">
              <PersonText>{address}</PersonText>
            </span>
            <bdi dir="ltr" class="faint">
              {website}
            </bdi>
          </a>
        </li>
      ))}
    </ul>
  );
}

export function AgencyPage({ id }: { id: number }) {
  const agency = useLoad(`agencies/${id}`, ["agencies"], (signal) => api.admin.agencies.get(id, { signal }));
  const title = agency.data ? <PersonText>{agency.data.name}</PersonText> : t("area.agency");
  return (
    <Page title={title} back={[t("area.agencies"), AGENCIES]}>
      <Shown of={agency}>{(agency) => <Details agency={agency} />}</Shown>
    </Page>
  );
}

function Details({ agency }: { agency: Agency }) {
  const { id, name, address, website, approved } = agency;
  const { busy, problem, run } = useAction();
  const verify = async () => {
    await api.admin.verifyAgency(id, !approved);
    tellChange("agencies");
    notice(t(approved ? "admin.is-withdrawn" : "admin.is-approved", { name }));
  };
  const look = () =>
    run(async () => {
      await preview(id);
      go("/console/incidents");
    });
  return (
    <>
      <Sheet
        rows={[
          [t("admin.state"), t(approved ? "admin.is-open" : "admin.waits")],
          [t("admin.address"), <PersonText>{address}</PersonText>],
          [t("admin.website"), website ? <Website address={website} /> : t("admin.no-website")],
        ]}
      />
      <section class="stack part">
        <p>{t(approved ? "admin.withdraw-text" : "admin.approve-text")}</p>
        <div>
          <AskFirst
            label={t(approved ? "admin.withdraw" : "admin.approve")}
            class={approved ? "" : "strong"}
            title={t(approved ? "admin.withdraw-title" : "admin.approve-title", { name })}
            text={t(approved ? "admin.withdraw-text" : "admin.approve-text")}
            no={t("admin.not-now")}
            work={verify}
          />
        </div>
      </section>
      <section class="stack part">
        <p>{t("admin.preview-text")}</p>
        {problem && <ProblemLine text={problem} />}
        <div>
          {state.user?.agencyId === id ? (
            <a class="button" href="/console/incidents">
              {t("admin.previewed")}
            </a>
          ) : (
            <button type="button" disabled={busy} onClick={look}>
              {t("admin.preview")}
            </button>
          )}
        </div>
      </section>
    </>
  );
}
