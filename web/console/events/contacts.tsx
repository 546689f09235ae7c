/** Whom to call at an event. */
import type { AgencyEvent, Contact } from "@mayday/client";
import { PersonText, phoneAddress } from "../../ui/text.js";
import { api } from "../account.js";
import { AskFirst } from "../kit/ask-first.js";
import { Field, Form, type Values } from "../kit/form.js";
import { tellChange, useLoad, usePages } from "../kit/load.js";
import { mailAddress } from "../kit/mail.js";
import { Empty, More, Page, Shown } from "../kit/parts.js";
import { go } from "../router.js";
import { t } from "./texts.js";

const nameOf = ({ firstName, lastName }: Contact) => `${firstName} ${lastName}`;

export function Contacts({ event, mayEdit }: { event: AgencyEvent; mayEdit: boolean }) {
  const address = `/console/events/${event.id}/contacts`;
  const pages = usePages(`events/${event.id}/contacts`, ["contacts"], (page, signal) =>
    api.contacts.list({ eventId: event.id, ...page }, { signal }),
  );
  const remove = async (contact: Contact) => {
    try {
      await api.contacts.delete(contact.id);
    } finally {
      // Somebody else may have deleted it.
      tellChange("contacts");
    }
  };
  return (
    <section class="stack" aria-labelledby="contacts-title">
      <div class="row spread">
        <h2 id="contacts-title">{t("events.contacts")}</h2>
        {mayEdit && (
          <a class="button" href={`${address}/new`}>
            {t("events.contact-new")}
          </a>
        )}
      </div>
      <Shown of={pages}>
        {(contacts) =>
          contacts.length === 0 ? (
            <Empty>{t(mayEdit ? "events.contacts-none" : "events.contacts-none-yet")}</Empty>
          ) : (
            <ul class="contacts">
              {contacts.map((contact) => (
                <li key={contact.id} class="contact">
                  <div class="row spread tight">
                    <h3 class="grow">
                      <PersonText>{nameOf(contact)}</PersonText>
                    </h3>
                    {mayEdit && (
                      <div class="row tight">
                        <a
                          class="button plain"
                          href={`${address}/${contact.id}`}
                          aria-label={t("events.contact-edit-it", { name: nameOf(contact) })}
                        >
                          {t("events.edit-it")}
                        </a>
                        <AskFirst
                          label={t("events.delete")}
                          name={t("events.contact-delete-it", { name: nameOf(contact) })}
                          class="plain"
                          title={t("events.contact-delete-title")}
                          text={t("events.contact-delete-text", { name: nameOf(contact) })}
                          work={() => remove(contact)}
                        />
                      </div>
                    )}
                  </div>
                  <p class="contact-ways">
                    <a class="tabular" dir="ltr" href={phoneAddress(contact.phoneNumber)}>
                      {contact.phoneNumber}
                    </a>
                    <a dir="ltr" href={mailAddress(contact.email)}>
                      {contact.email}
                    </a>
                  </p>
                  {contact.additionalNotes && (
                    <p class="contact-notes faint">
                      <PersonText>{contact.additionalNotes}</PersonText>
                    </p>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
      <More pages={pages} />
    </section>
  );
}

/** A new contact, or the contact that `row` is the id of. */
export function ContactScreen({ event, row }: { event: AgencyEvent; row: string }) {
  const isNew = row === "new";
  const loaded = useLoad<Contact | null>(`contacts/${row}`, ["contacts"], async (signal) =>
    isNew ? null : await api.contacts.get(Number(row), { signal }),
  );
  return (
    <Page title={t(isNew ? "events.contact-new" : "events.contact-edit")} back={[event.name, addressOf(event)]}>
      <Shown of={loaded}>{(contact) => <ContactForm event={event} contact={contact ?? undefined} />}</Shown>
    </Page>
  );
}

const addressOf = (event: AgencyEvent) => `/console/events/${event.id}`;

function ContactForm({ event, contact }: { event: AgencyEvent; contact: Contact | undefined }) {
  const submit = async (values: Values) => {
    const { firstName = "", lastName = "", email = "", phoneNumber = "", additionalNotes = "" } = values;
    const fields = { firstName, lastName, email, phoneNumber, additionalNotes };
    if (contact) await api.contacts.edit(contact.id, fields);
    else await api.contacts.create({ ...fields, eventId: event.id });
    tellChange("contacts");
    return addressOf(event);
  };
  return (
    <Form
      draft={`events/${event.id}/contacts/${contact?.id ?? "new"}`}
      submitLabel={t(contact ? "events.save" : "events.contact-add")}
      onSubmit={submit}
      onCancel={() => go(addressOf(event), { replace: true })}
    >
      <div class="fields">
        <Field name="firstName" label={t("events.first-name")} value={contact?.firstName} required />
        <Field name="lastName" label={t("events.last-name")} value={contact?.lastName} required />
        <Field
          name="phoneNumber"
          label={t("events.phone")}
          hint={t("events.phone-hint")}
          value={contact?.phoneNumber}
          type="tel"
          required
        />
        <Field name="email" label={t("events.email")} value={contact?.email} type="email" required />
      </div>
      <Field
        name="additionalNotes"
        label={t("events.notes")}
        hint={t("events.notes-hint")}
        value={contact?.additionalNotes}
        long
      />
    </Form>
  );
}
